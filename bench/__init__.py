"""Speed, measured as a ratio to a ceiling in the same run on the same machine."""
