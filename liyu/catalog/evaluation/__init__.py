"""Evaluating rights: score sheets and their ranking, candidates that members vote for, and the mix of the mall."""
