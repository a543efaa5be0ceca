"""The order desk: the rules of orders, what hangs, acts on many orders at once, and files of orders."""
