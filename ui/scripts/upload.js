// A picture is what its bytes are, whatever it is called. Browsers know no type for HEIC, MPO or a name without a suffix
// on many systems, and picture inputs refuse what has none: such a file gets a type, and the server reads the bytes.
(() => {
  const nameless = (files) => [...files].some((file) => !file.type);
  const typed = (files) => {
    const all = new DataTransfer();
    for (const file of files)
      all.items.add(file.type ? file : new File([file], file.name, { type: "image/unknown" }));
    return all;
  };
  const pictures = 'input[type="file"][accept*="image/"]';
  document.addEventListener("change", (event) => {
    const input = event.target;
    if (input.matches?.(pictures) && nameless(input.files)) input.files = typed(input.files).files;
  }, true);
  document.addEventListener("drop", (event) => {
    const files = event.dataTransfer?.files ?? [];
    if (!event.target.closest?.(".block")?.querySelector(pictures) || !nameless(files)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const options = { bubbles: true, cancelable: true, dataTransfer: typed(files) };
    event.target.dispatchEvent(new DragEvent("drop", options));
  }, true);
})();
