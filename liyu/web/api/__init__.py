"""The JSON interface for host systems and tills, and what machines ask of the process."""
