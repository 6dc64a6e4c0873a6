// Pins and the viewer of Compare: slider, flip, difference, side by side; zoom and pan kept in step.
(() => {
  const pins = new Map(); // key -> {name, src, settings}
  const CHINESE = { Slider: "滑动对比", Flip: "切换", Difference: "差异", "Side by side": "并排", Close: "关闭",
    "Settings that differ": "不同的设置", "In common": "相同的设置", none: "无", "Settings of": "设置：" };
  const words = (text) => atelier.word(text, CHINESE[text]);
  const dialog = () => document.querySelector("dialog.viewer") || document.body.appendChild(make());
  let view = { zoom: 1, x: 0, y: 0 }, mode = "slider", cut = 50, shown = [];

  const el = (tag, attributes = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), attributes);
    node.append(...children);
    return node;
  };

  function mark() { // cards are drawn anew while methods run
    for (const button of document.querySelectorAll("button.pin")) {
      button.setAttribute("aria-pressed", String(pins.has(button.dataset.src)));
    }
  }

  function toggle(button) {
    const { src, name, settings } = button.dataset;
    if (!pins.delete(src)) {
      if (pins.size === 2) pins.delete([...pins.keys()][0]);
      pins.set(src, { name, src, settings: JSON.parse(settings || "null") });
    }
    mark();
    if (pins.size === 2) open([...pins.values()]);
  }

  function make() {
    const modes = [["slider", "Slider"], ["flip", "Flip"], ["difference", "Difference"], ["side", "Side by side"]];
    const bar = el("div", { className: "modes", role: "group" });
    for (const [key, text] of modes) {
      const button = el("button", { type: "button", textContent: words(text), onclick: () => set(key) });
      button.dataset.mode = key;
      bar.append(button);
    }
    const close = el("button", { type: "button", className: "close", textContent: words("Close"), onclick: () => node.close() });
    const stage = el("div", { className: "stage", tabIndex: 0 });
    const node = el("dialog", { className: "viewer" }, el("header", {}, bar, close), stage,
      el("p", { className: "names" }), el("div", { className: "settings" }));
    node.addEventListener("close", () => { pins.clear(); mark(); });
    node.addEventListener("keydown", key);
    stage.addEventListener("wheel", wheel, { passive: false });
    stage.addEventListener("pointerdown", drag);
    return node;
  }

  function open(pair) {
    shown = pair;
    view = { zoom: 1, x: 0, y: 0 };
    const node = dialog(), stage = node.querySelector(".stage");
    stage.replaceChildren(...pair.map((one, i) => el("div", { className: `pane ${"ab"[i]}` },
      el("img", { src: one.src, alt: one.name, draggable: false }))),
    el("i", { className: "cut" }));
    const known = pair.every((one) => one.settings), [a, b] = pair.map((one) => one.settings ?? {});
    const all = [...new Set([...Object.keys(a), ...Object.keys(b)])];
    const rows = all.filter((name) => a[name] !== b[name]), same = all.filter((name) => a[name] === b[name]);
    const row = (name, left, right) => el("tr", {}, el("th", { textContent: name }),
      el("td", { textContent: left ?? "–" }), el("td", { textContent: right ?? "–" }));
    const differ = el("table", { className: "differ" }, row(words("Settings that differ"), pair[0].name, pair[1].name),
      ...(rows.length ? rows.map((name) => row(name, a[name], b[name])) : [row("–", words("none"), words("none"))]));
    const common = el("details", {}, el("summary", { textContent: `${words("In common")} (${same.length})` }),
      el("p", { textContent: same.map((name) => `${name} ${a[name]}`).join(" · ") }));
    node.querySelector(".settings").replaceChildren(...(known ? [differ] : []), ...(same.length ? [common] : []));
    set("slider");
    if (!node.open) node.showModal();
    stage.focus();
  }

  function set(next) {
    mode = next;
    const node = dialog(), stage = node.querySelector(".stage");
    stage.dataset.mode = mode;
    for (const button of node.querySelectorAll("[data-mode]:not(.stage)")) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    }
    stage.classList.toggle("flipped", false);
    place();
  }

  function place() {
    const node = dialog(), stage = node.querySelector(".stage");
    for (const pane of stage.querySelectorAll(".pane > img")) {
      pane.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.zoom})`;
    }
    stage.style.setProperty("--cut", `${cut}%`);
    const flipped = stage.classList.contains("flipped");
    node.querySelector(".names").textContent = mode === "flip" ? shown[flipped ? 1 : 0]?.name
      : shown.map((one) => one.name).join(mode === "difference" ? " − " : "  |  ");
  }

  function zoomTo(zoom) { view.zoom = Math.min(16, Math.max(1, zoom)); if (view.zoom === 1) view.x = view.y = 0; place(); }
  function wheel(event) { event.preventDefault(); zoomTo(view.zoom * Math.exp(-event.deltaY / 400)); }

  function drag(event) {
    const stage = event.currentTarget, box = stage.getBoundingClientRect(), start = { ...view }, { clientX, clientY } = event;
    const follow = (to) => { cut = Math.min(100, Math.max(0, 100 * (to.clientX - box.left) / box.width)); place(); };
    const cutting = mode === "slider" && (view.zoom === 1 || event.target.className === "cut");
    if (mode === "flip" && view.zoom === 1) { stage.classList.toggle("flipped"); place(); return; }
    if (cutting) follow(event);
    stage.setPointerCapture(event.pointerId);
    stage.onpointermove = (to) => {
      if (cutting) return follow(to);
      if (view.zoom > 1) { view.x = start.x + to.clientX - clientX; view.y = start.y + to.clientY - clientY; place(); }
    };
    stage.onpointerup = stage.onpointercancel = () => { stage.onpointermove = null; };
  }

  function key(event) {
    const stage = dialog().querySelector(".stage"), step = event.shiftKey ? 10 : 2;
    const moves = {
      ArrowLeft: () => { if (mode === "flip") stage.classList.toggle("flipped"); else cut = Math.max(0, cut - step); },
      ArrowRight: () => { if (mode === "flip") stage.classList.toggle("flipped"); else cut = Math.min(100, cut + step); },
      "+": () => zoomTo(view.zoom * 1.25), "=": () => zoomTo(view.zoom * 1.25), "-": () => zoomTo(view.zoom / 1.25), 0: () => zoomTo(1),
    };
    if (event.target.closest("button") && event.key.length > 1 && !event.key.startsWith("Arrow")) return;
    if (moves[event.key]) { moves[event.key](); place(); event.preventDefault(); }
  }

  document.addEventListener("click", (event) => {
    const pin = event.target.closest?.("button.pin");
    if (pin) toggle(pin);
  });
  function grey() { // chips of methods that cannot take part say why
    const absent = JSON.parse(document.querySelector(".forecast")?.dataset.absent || "{}");
    for (const chip of document.querySelectorAll(".methods label")) {
      const reason = absent[chip.querySelector("input")?.name] || "";
      if (chip.title === reason) continue;
      chip.title = reason;
      chip.querySelector("input")?.setAttribute("aria-description", reason);
      chip.classList.toggle("absent", Boolean(reason));
    }
  }

  function gear() { // a chosen method's chip opens the fold with its settings
    for (const chip of document.querySelectorAll(".methods label:not(:has(+ .gear))")) {
      const open = async () => {
        const fold = () => document.getElementById(`settings-${chip.querySelector("input").name}`);
        for (const find of [() => document.querySelector(".drawers"), fold]) {
          const title = (await atelier.until(() => find()?.offsetParent && find())).querySelector(".label-wrap");
          if (!title.classList.contains("open")) title.click();
          title.focus();
        }
        fold().scrollIntoView({ block: "nearest", behavior: "smooth" });
      };
      chip.after(el("button", { type: "button", className: "gear", ariaLabel: `${words("Settings of")} ${chip.textContent.trim()}`, onclick: open }));
    }
  }

  new MutationObserver(() => { mark(); grey(); gear(); }).observe(document.documentElement, { childList: true, subtree: true });
})();
