// The page's frame: groups of tabs, keys, what is open again after a reload, names of pictures for screen readers.
for (const name of ["localStorage", "sessionStorage"]) { // a frame of another site may be refused them: then until a reload
  try {
    window[name];
  } catch {
    const kept = new Map();
    Object.defineProperty(window, name, { value: {
      getItem: (key) => kept.get(String(key)) ?? null,
      setItem: (key, value) => { kept.set(String(key), String(value)); },
      removeItem: (key) => { kept.delete(String(key)); },
      clear: () => kept.clear(),
      key: (i) => [...kept.keys()][i] ?? null,
      get length() { return kept.size; },
    } });
  }
}
const atelier = window.atelier = {};
(() => {
  const chinese = navigator.language.toLowerCase().startsWith("zh");
  const tabs = () => [...document.querySelectorAll('.rooms > .tab-wrapper [role="tab"]')];
  const selected = () => tabs().find((tab) => tab.getAttribute("aria-selected") === "true");
  const visible = (selector) => [...document.querySelectorAll(selector)].find((node) => node.offsetParent !== null);
  atelier.word = (english, translated) => chinese ? translated : english;
  atelier.tab = () => selected()?.dataset.tabId;
  atelier.title = (name) => tabs().find((tab) => tab.dataset.tabId === name)?.textContent.trim() ?? name;
  atelier.open = (name) => { // the tab, where there is one of that name
    const tab = tabs().find((one) => one.dataset.tabId === name);
    tab?.click();
    return tab;
  };

  // groups: name -> tabs; the row of tabs shows those of one group. Compare stands in two, in the mode of each.
  atelier.navigation = (element, groups, words) => {
    const last = {};
    names = words.names;
    let group = Object.keys(groups)[0];
    const buttons = Object.keys(groups).map((name) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: words[name] });
      button.addEventListener("click", () => {
        group = name;
        const next = last[name] ?? groups[name].find((tab) => tabs().some((one) => one.dataset.tabId === tab));
        if (next === "compare") suit();
        if (next === atelier.tab()) show();
        else atelier.open(next);
      });
      element.querySelector("nav").append(button);
      return button;
    });
    element.querySelector("nav").append(Object.assign(document.createElement("button"),
      { type: "button", className: "last", textContent: words.last, onclick: () => atelier.drawer() }));
    const modes = { restyle: "Restyle", generate: "Generate" }; // of Compare -> its group
    let suiting = null; // a timer: a group was chosen, and Compare is not in its mode yet
    const suit = (tries = 30) => {
      clearTimeout(suiting);
      const mode = Object.keys(modes).find((name) => modes[name] === group);
      const radio = visible(`html:not(.opening) .modes input[value="${mode}"]`);
      suiting = !radio && tries ? setTimeout(suit, 100, tries - 1) : null;
      if (radio && !radio.checked) radio.click();
    };
    const watched = new WeakSet();
    const follow = () => { // a link, a dropped picture or a press chooses a mode: the group follows
      const radios = visible(".modes");
      if (!radios) return setTimeout(show, 100); // Compare is not laid out yet
      if (!watched.has(radios)) new MutationObserver(show).observe(radios, { subtree: true, attributes: true, attributeFilter: ["class"] });
      watched.add(radios);
      if (!suiting) group = modes[radios.querySelector("input:checked").value];
    };
    const show = () => {
      const now = atelier.tab();
      if (!now) return;
      if (now === "compare") follow();
      if (!groups[group].includes(now)) group = Object.keys(groups).find((name) => groups[name].includes(now)) ?? group;
      last[group] = now;
      buttons.forEach((button, i) => button.setAttribute("aria-current", String(Object.keys(groups)[i] === group)));
      for (const tab of tabs()) {
        tab.hidden = !groups[group].includes(tab.dataset.tabId) || groups[group].length < 2;
      }
    };
    const options = { subtree: true, childList: true, attributes: true, attributeFilter: ["aria-selected"] };
    const arrived = setInterval(() => {
      if (!tabs().length) return;
      clearInterval(arrived);
      new MutationObserver(show).observe(tabs()[0].parentElement, options);
      show();
    }, 50);
    document.addEventListener("click", (event) => {
      const tab = event.isTrusted && event.target.closest?.('.rooms > .tab-wrapper [role="tab"]');
      if (tab && tab.dataset.tabId === "compare") suit();
      if (event.isTrusted && event.target.closest?.(".modes")) suiting = clearTimeout(suiting); // a hand is quicker
    });
  };

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const run = visible("button.run");
    if (run && !run.disabled) { event.preventDefault(); run.click(); }
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("a.skip")) return;
    event.preventDefault();
    visible("button.run")?.focus();
  });

  // On a phone Run is in reach everywhere, the result is above: show it when a run starts.
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("button.run") && innerWidth <= 640) scrollTo({ top: 0, behavior: "smooth" });
  });

  // The form is below: a button of the bar leads to it.
  const jumps = () => {
    for (const bar of document.querySelectorAll(".actions:not(:has(.jump))")) {
      bar.prepend(Object.assign(document.createElement("button"), { type: "button", className: "jump",
        textContent: atelier.word("Settings ↓", "设置 ↓"), onclick: () => bar.parentElement.scrollIntoView({ behavior: "smooth" }) }));
    }
  };

  // What a fold or a tab shows for the first time gets its first values from Gradio again one frame later, over what was
  // typed by then: until that is past nothing in it can be touched.
  document.addEventListener("click", (event) => {
    const fold = event.target.closest?.(".label-wrap")?.nextElementSibling;
    const opened = fold ?? (event.target.closest?.('[role="tab"]') && document.documentElement);
    if (!opened) return;
    const after = (frames) => frames
      ? requestAnimationFrame(() => after(frames - 1))
      : opened.classList.remove("opening");
    opened.classList.add("opening");
    after(3);
  }, true);

  // Pictures are read aloud by the label of their block.
  let naming = 0, names = {};
  new MutationObserver(() => {
    naming ||= requestAnimationFrame(() => {
      naming = 0;
      jumps();
      for (const picture of document.querySelectorAll('img:not([alt]), img[alt=""], img[data-label]')) {
        const label = picture.closest(".block")?.querySelector('[data-testid="block-label"]')?.textContent.trim();
        if (label) picture.alt = picture.dataset.label = label; // of a result, no longer that of the example
      }
      for (const camera of document.querySelectorAll('[aria-label="common.webcam"]')) { // Gradio has no words for it
        camera.ariaLabel = camera.title = atelier.word("Capture from camera", "用相机拍摄");
      }
      for (const outer of document.querySelectorAll(".icon-button:has(button)")) {  // the button inside does it
        outer.tabIndex = -1;
        outer.setAttribute("role", "group");
      }
      for (const caption of document.querySelectorAll(".strip .caption-label")) {
        const name = names[caption.textContent.trim()];
        if (name && name !== caption.textContent) caption.textContent = name;
      }
    });
  }).observe(document, { subtree: true, childList: true });

  // Gradio loads the page again when a lost connection is back (it sends nothing before that). The tab that was open is
  // opened again, and one sentence says what happened; the forms of methods keep their settings themselves (keep.py).
  const TAB = "atelier-tab", LOST = "atelier-lost";
  addEventListener("pagehide", () => atelier.tab() && sessionStorage.setItem(TAB, atelier.tab()));
  const send = window.fetch;
  window.fetch = (...what) => {  // asked for by nothing else
    if (String(what[0]?.url ?? what[0]).endsWith("/app_id")) sessionStorage.setItem(LOST, "1");
    return send(...what);
  };
  const again = performance.getEntriesByType("navigation")[0]?.type === "reload";
  const linked = new URLSearchParams(location.search).get("tab");  // at once: its settings come from the server
  const wanted = again ? sessionStorage.getItem(TAB) : linked, lost = again && sessionStorage.getItem(LOST);
  if (again) sessionStorage.removeItem(LOST);
  if (!wanted && !lost) return;
  const arrived = setInterval(() => {
    if (!tabs().length) return;
    clearInterval(arrived);
    atelier.open(wanted);
    if (!lost) return;
    const notice = document.createElement("div");
    notice.className = "notice";
    notice.setAttribute("role", "alert");
    notice.textContent = atelier.word(
      "The connection to the server was lost and is back. Look over the settings, choose pictures of your own again, and press Run again.",
      "与服务器的连接曾中断，现已恢复。请看一眼设置，重新选择您自己的图片，再按一次“运行”。");
    document.body.append(notice);
    document.addEventListener("click", (event) => event.target.closest?.("button.run, .notice") && notice.remove());
  }, 100);
})();
