"use strict";
// The page that shows a token text once: copy it, and make a reload harmless.
{
  const page = document.querySelector(".mcp-guard-issued");
  const text = document.getElementById("mcp-guard-text");
  const button = document.getElementById("mcp-guard-copy");
  const status = document.getElementById("mcp-guard-copied");

  // A reload would send the form again and make another secret; after this it opens the token's page.
  window.history.replaceState(null, "", page.dataset.after);

  const select = () => {
    const range = document.createRange();
    range.selectNodeContents(text);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };

  const copy = async () => {
    // Without TLS there is no navigator.clipboard; the old command still copies what is selected.
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(text.textContent);
      return true;
    }
    select();
    return document.execCommand("copy");
  };

  button.hidden = false;
  button.addEventListener("click", async () => {
    let copied = false;
    try {
      copied = await copy();
    } catch {
      select();
    }
    status.textContent = copied ? button.dataset.done : button.dataset.failed;
  });
}
