"""Faults at will, and who sees them: a kit that knows the service only from outside.

`harms` spoil what an upstream says, and `upstreams` and `model_server` play that, in this process
or to others. `lines` are ways to send a request, `readers` follow turns over them and never forget
a byte, `laws` say what every reader may count on, and `leaks` look for what was left behind.
`worlds` put a service around all that; in a `leaping_loop` its time costs none.
"""
