"""What several processes keep together, in a Redis of version 6.2 or later that is no cluster.

Every key has an expiry from the moment it is written.
"""
