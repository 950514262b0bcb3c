"""What every error code means, a page each, and any failure as a code, a sentence and a remedy."""
