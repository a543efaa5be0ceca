"""Who may come in: staff, sessions, phone codes and API keys (DESIGN §9). Members themselves live in `liyu.members`."""
