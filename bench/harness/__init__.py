"""The benchmark's parts: maildrops, servers, what they use, what they were asked, and the report."""
