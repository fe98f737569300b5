// Look again while a run is under way; not while somebody reads with the keyboard or selects text.
const seconds = Number(document.currentScript?.dataset.again ?? document.querySelector("script[data-again]").dataset.again);
const busy = () => document.hidden || document.activeElement !== document.body || !getSelection().isCollapsed;
setInterval(() => { if (!busy()) location.reload(); }, seconds * 1000);
