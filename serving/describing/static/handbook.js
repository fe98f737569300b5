// Without this script, and where a page may not write to the clipboard, a click selects the whole command.
if (navigator.clipboard) {
  for (const button of document.querySelectorAll("figcaption button")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.closest("figure").querySelector("pre").textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }
}
