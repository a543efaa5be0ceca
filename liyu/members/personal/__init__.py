"""What a member may know, change and have erased: profile, addresses, consents, phone, export and closing."""
