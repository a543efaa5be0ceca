"""Tags, badges and segments: who is of which kind, by hand or by rule, over the same conditions."""
