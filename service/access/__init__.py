"""Who may do what, and what may leave: authenticators, policy, tickets, redaction."""
