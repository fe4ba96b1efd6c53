// Renews what is shown when a hold changes. Without it everything works; the page is then loaded anew by hand.
"use strict";

(() => {
  const live = () => document.getElementById("live");
  if (!live() || !window.EventSource) return;

  let due = null;
  const renew = async () => {
    due = null;
    let answer;
    try {
      answer = await fetch(location.href, { headers: { accept: "text/html" } });
    } catch {
      // The node is gone for a moment; the stream comes back at another one and says so.
      return;
    }
    if (answer.redirected || answer.status === 401) {
      location.reload();
      return;
    }
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = fresh.getElementById("live");
    if (!next || next.innerHTML === live().innerHTML) return;
    const was = live().textContent;
    live().replaceWith(next);
    document.title = fresh.title;
    // A decision is only ever about what is on the screen: when that has changed, the form of before is gone.
    const form = document.querySelector(".decide");
    if (form && was !== next.textContent) {
      const nextForm = fresh.querySelector(".decide");
      if (!nextForm) form.remove();
    }
  };
  const soon = () => {
    due ??= setTimeout(renew, 150);
  };

  const events = new EventSource("/v1/holds/events");
  for (const kind of ["begin", "hold", "message"]) events.addEventListener(kind, soon);
  // Times are told from now on, so they grow old.
  setInterval(soon, 30000);
})();
