"""A site with an SDK server over HTTP and WebSocket, whose sockets pages of two origins want to open."""
