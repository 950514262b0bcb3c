"""What a person sees: pictures, sheets, the report."""
