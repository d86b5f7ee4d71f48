// A WebSocket transport for the TypeScript client, which has none: one JSON-RPC message per text frame.
// The token goes into the first message, since a page cannot set headers on a handshake.

export class WebSocketTransport {
  #url;
  #token;
  #socket;

  constructor(url, token) {
    this.#url = url;
    this.#token = token;
  }

  start() {
    return new Promise((resolve, reject) => {
      this.#socket = new WebSocket(this.#url, ["mcp"]);
      this.#socket.onopen = () => resolve();
      this.#socket.onerror = () => reject(new Error("the WebSocket was refused"));
      this.#socket.onclose = () => this.onclose?.();
      this.#socket.onmessage = ({ data }) => this.onmessage?.(JSON.parse(data));
    });
  }

  async send(message) {
    const auth = this.#token && { auth: { bearer: this.#token } };
    this.#token = undefined;
    this.#socket.send(JSON.stringify({ ...message, ...auth }));
  }

  async close() {
    this.#socket?.close();
  }
}
