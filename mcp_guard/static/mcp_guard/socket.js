/* Open a guarded WebSocket from a page.

   The page fetches a ticket with its token or, with `credentials: "include"`, its session, and puts it into the
   URL of the socket. A ticket opens one socket: call this again for the next one. */

export async function openSocket(url, { ticketUrl, token, credentials = "omit" }) {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(ticketUrl, { method: "POST", headers, credentials, body: "{}" });
  if (!answer.ok) throw new Error(`no ticket: ${answer.status}`);
  const { ticket } = await answer.json();
  const target = new URL(url);
  target.searchParams.set("ticket", ticket);
  const socket = new WebSocket(target, "mcp");
  await new Promise((opened, failed) => {
    socket.onopen = opened;
    socket.onclose = () => failed(new Error("the socket was refused"));
  });
  socket.onopen = socket.onclose = null;
  return socket;
}
