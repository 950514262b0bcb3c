"""Every word, setting and operation of the language: limits, defaults and meaning, once."""
