"""Who may come in: staff, sessions, phone codes and API keys. Members themselves live in `liyu.members`."""
