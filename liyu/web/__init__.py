"""The only package that knows HTTP, cookies, Jinja and Litestar."""
