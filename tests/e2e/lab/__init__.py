"""A laboratory: real Llama Stack servers before a scripted model and an MCP server, all local."""
