"""What trained runs say: read (runs, missing, texts), compared (compare, significance, bands), shown (the others)."""
