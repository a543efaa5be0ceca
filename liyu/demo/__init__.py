"""The demo program: a brand's mall with real purchases, real brand names and a month to settle. Loaded by `liyu demo`."""
