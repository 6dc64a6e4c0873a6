// Results in the browser: enlarged by a click, marked when out of date, the last thirty kept, and opened again in the
// tab that made them.
(() => {
  const word = atelier.word, MOST = 30, TOGETHER = 3000; // ms: a slider that is dragged leaves one result
  const el = (tag, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };
  const button = (text, onclick) => el("button", { type: "button", textContent: text, onclick });
  const panel = () => [...document.querySelectorAll('.rooms > [role="tabpanel"]')].find((one) => one.offsetParent !== null);
  const until = atelier.until = async (look, tries = 100) => {
    for (; tries; tries--) {
      const what = look();
      if (what) return what;
      await new Promise((done) => setTimeout(done, 100));
    }
  };

  // Out of date: what a tab's form says now is neither what made its picture nor what is under way.
  // parts: mode -> places of the settings that count in it (keep.py); made: tab -> mode -> those of the picture.
  const begun = {}, made = {}, stored = {}, latest = {};
  const files = (value) => Array.isArray(value) ? value.map(files) : value?.image?.path ?? value?.path ?? value;
  const said = (given, parts, mode) => JSON.stringify((parts ? parts[mode].map((i) => given[i]) : given).map(files));
  const settings = (given, parts) => { const mode = parts ? given[0] : ""; return { mode, now: said(given, parts, mode) }; };
  const see = (tab) => {
    if (!latest[tab]) return { __type__: "update" };
    const { mode, now } = settings(...latest[tab]), run = begun[tab];
    const underWay = run && !run.over && run.mode === mode && run.now === now;
    return { __type__: "update", visible: tab in made && made[tab][mode] !== now && !underWay };
  };
  const moves = {
    see() {},
    begin(tab, given, parts) { begun[tab] = settings(given, parts); },
    again(tab) { delete begun[tab]; },  // a run of what the picture before was made of
    end(tab) { if (begun[tab]) begun[tab].over = true; },
    arrive(tab, given, parts, fills = []) {
      if (begun[tab]) {
        const { mode, now } = begun[tab], here = JSON.parse(settings(given, parts).now);
        const ran = JSON.parse(now).map((value, i) => value === "" && fills.includes(parts?.[mode][i]) ? here[i] : value);
        made[tab] = { ...stored[tab], [mode]: JSON.stringify(ran) };
      }
      delete begun[tab];
    },
    fits(tab, given, parts) { moves.begin(tab, given, parts); moves.arrive(tab, given, parts); },
    example(tab, given, parts) { // a stored picture for each mode, of what the form says at first
      stored[tab] = Object.fromEntries(Object.keys(parts).map((mode) => [mode, said([mode, ...given.slice(1)], parts, mode)]));
      made[tab] = { ...stored[tab] };
    },
  };
  atelier.fit = Object.fromEntries(Object.entries(moves).map(([name, move]) => [name, (tab, given, parts, fills) => {
    if (given.length) latest[tab] = [given, parts];
    move(tab, given, parts, fills);
    return see(tab);
  }]));
  atelier.keep = (tab, file) => {
    if (file?.url?.endsWith(".png")) keep(tab, file).catch(console.warn);
    return [];
  };

  // The record in a PNG, as its tEXt chunk holds it before the pixels.
  const record = async (file) => {
    const bytes = new Uint8Array(await file.slice(0, 1 << 21).arrayBuffer()), view = new DataView(bytes.buffer);
    const letters = (from, to) => new TextDecoder("latin1").decode(bytes.subarray(from, to));
    for (let at = 8; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
      const chunk = letters(at + 4, at + 8) === "tEXt" && letters(at + 8, at + 8 + view.getUint32(at));
      if (chunk && chunk.startsWith("atelier\0")) return JSON.parse(chunk.slice(8));
    }
  };

  // What a network is, as its safetensors header says: eight bytes of length, then JSON.
  const kind = async (file) => {
    const length = new DataView(await file.slice(0, 8).arrayBuffer()).getUint32(0, true);
    return JSON.parse(await file.slice(8, 8 + length).text()).__metadata__.network;
  };

  // A picture made here goes to the tab that made it, wherever it is dropped, and a network to the one of its kind;
  // Compare takes those of all methods.
  let handing = false;
  const open = async (file, tab) => {
    const network = file.name.endsWith(".safetensors"), compared = atelier.tab() === "compare" && !network;
    const maker = async () => network ? kind(file) : (await record(file))?.pipeline;
    const made = tab ?? (compared ? "compare" : await maker().catch(() => null));
    const place = network ? '[accept=".safetensors"]' : '.restore input[type="file"]';
    const before = panel(), moved = made && made !== atelier.tab() && atelier.open(made);  // its panel comes a moment later
    const input = await until(() => (!moved || panel() !== before) && panel()?.querySelector(place));
    if (!input) return;
    const all = new DataTransfer();
    all.items.add(file);
    input.files = all.files;
    handing = true;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    handing = false;
  };
  const take = (event, list) => {
    if (handing || !list?.length) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    open(list[0]);
  };
  document.addEventListener("click", async (event) => { // a cell of a grid: its settings, as if its picture were dropped
    const src = event.target.closest?.("button.take")?.dataset.src;
    if (src) open(new File([await (await fetch(src)).blob()], src.split("/").at(-1), { type: "image/png" }), atelier.tab());
  });
  const nowhere = (target) => !target.closest?.(".block")?.querySelector('input[type="file"]');
  document.addEventListener("dragover", (event) => nowhere(event.target) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (event.target.closest?.(".restore") || nowhere(event.target)) take(event, event.dataTransfer?.files);
  }, true);
  document.addEventListener("change", (event) => {
    if (event.target.matches?.('.restore input[type="file"]')) take(event, event.target.files);
  }, true);

  // The last results of all tabs, in this browser alone.
  const store = (mode, work) => atelier.store("results", mode, work);
  const results = async () => (await store("readonly", (kept) => kept.getAll())).reverse();
  const forget = (whens) => store("readwrite", (kept) => { for (const when of whens) kept.delete(when); });
  const keep = async (tab, file) => {
    const blob = await (await fetch(file.url)).blob(), when = Date.now(), before = await results();
    await store("readwrite", (kept) => kept.put({ when, tab, blob, name: file.path.split("/").at(-1) }));
    const dragged = before.length && before[0].tab === tab && when - before[0].when < TOGETHER;
    await forget([...(dragged ? [before[0].when] : []), ...before.slice(MOST - 1).map((one) => one.when)]);
    if (drawer.open) await fill();
  };
  const drawer = el("dialog", { className: "drawer" });
  const pin = (src, name) => { // two of them open Compare's viewer
    const one = el("button", { type: "button", className: "pin", ariaPressed: "false", textContent: word("Compare", "对比") });
    Object.assign(one.dataset, { src, name });
    return one;
  };
  const fill = async () => {
    const all = await results();
    for (const picture of drawer.querySelectorAll("img")) URL.revokeObjectURL(picture.src);
    const head = el("header", {}, el("h2", { textContent: word("Your last results", "最近的结果") }),
      button(word("Close", "关闭"), () => drawer.close()));
    const rows = all.map((one) => {
      const src = URL.createObjectURL(one.blob), title = `${atelier.title(one.tab)} · ${new Date(one.when).toLocaleString()}`;
      return el("figure", {}, el("img", { src, alt: title, title: one.name }), el("figcaption", { textContent: title }),
        button(word("Open again", "再次打开"), () => {
          drawer.close();
          open(new File([one.blob], one.name, { type: "image/png" }), one.tab);
        }),
        pin(src, title),
        el("a", { href: src, download: one.name, textContent: word("Download", "下载") }),
        button(word("Forget", "删除"), async () => { await forget([one.when]); fill(); }));
    });
    const note = el("p", { textContent: all.length
      ? word("Kept in this browser alone: the last thirty.", "只保存在本浏览器中：最近三十个。")
      : word("Nothing yet: what you make is kept here, in this browser alone.", "还没有：您生成的图片会保存在这里，只在本浏览器中。") });
    const last = all.length ? [button(word("Forget all", "全部删除"), async () => { await forget(all.map((one) => one.when)); fill(); })] : [];
    drawer.replaceChildren(head, note, el("div", { className: "results" }, ...rows), ...last);
  };
  atelier.drawer = async () => {
    if (!drawer.isConnected) document.body.append(drawer);
    await fill();
    drawer.showModal();
  };

  // A click on a picture enlarges it: wheel, two fingers or + and - zoom, a drag pans, arrows go to the next one, which
  // is seen at the same place and size.
  const large = el("img", { draggable: false }), caption = el("p"), enlarged = el("dialog", { className: "enlarged", tabIndex: -1 });
  let shown = [], at = 0, view = { zoom: 1, x: 0, y: 0 };
  const place = () => { large.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.zoom})`; };
  const zoom = (factor) => {
    view.zoom = Math.min(16, Math.max(1, view.zoom * factor));
    if (view.zoom === 1) view.x = view.y = 0;
    place();
  };
  const show = (next) => {
    at = (next + shown.length) % shown.length;
    large.src = shown[at].src;
    large.alt = caption.textContent = shown[at].alt;
  };
  const bar = el("header", {}, button("←", () => show(at - 1)), button("→", () => show(at + 1)), button("−", () => zoom(0.8)),
    button("+", () => zoom(1.25)), button(word("Close", "关闭"), () => enlarged.close()));
  [word("Previous", "上一张"), word("Next", "下一张"), word("Smaller", "缩小"), word("Larger", "放大")]
    .forEach((label, i) => { bar.children[i].ariaLabel = label; });
  enlarged.append(bar, el("div", {}, large), caption);
  enlarged.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: () => show(at - 1), ArrowRight: () => show(at + 1), "+": () => zoom(1.25), "-": () => zoom(0.8), 0: () => zoom(0) };
    if (moves[event.key]) { moves[event.key](); event.preventDefault(); }
  });
  enlarged.addEventListener("wheel", (event) => { event.preventDefault(); zoom(Math.exp(-event.deltaY / 400)); }, { passive: false });
  const fingers = new Map();
  const apart = () => { const [a, b] = [...fingers.values()]; return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY); };
  large.addEventListener("pointerdown", (event) => { fingers.set(event.pointerId, event); large.setPointerCapture(event.pointerId); });
  large.addEventListener("pointermove", (event) => {
    const last = fingers.get(event.pointerId);
    if (!last) return;
    const before = fingers.size === 2 && apart();
    fingers.set(event.pointerId, event);
    if (before) return zoom(apart() / before);
    if (view.zoom > 1) { view.x += event.clientX - last.clientX; view.y += event.clientY - last.clientY; place(); }
  });
  for (const end of ["pointerup", "pointercancel"]) large.addEventListener(end, (event) => fingers.delete(event.pointerId));
  large.addEventListener("dblclick", () => zoom(view.zoom > 1 ? 0 : 3));
  const enlarge = (picture) => {
    const around = picture.closest(".results") ?? panel();
    shown = [...around.querySelectorAll(".picture img, .results img")].filter((one) => one.offsetParent !== null && one.naturalWidth);
    if (!shown.includes(picture)) shown = [picture];
    if (!enlarged.isConnected) document.body.append(enlarged);
    view = { zoom: 1, x: 0, y: 0 };
    place();
    show(shown.indexOf(picture));
    enlarged.showModal();
  };
  let down = null;
  document.addEventListener("pointerdown", (event) => { down = event; }, true);
  document.addEventListener("click", (event) => {
    const block = event.target.closest?.(".picture"), still = down && Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY) < 5;
    const wide = block && event.target.closest(".icon-button-wrapper button"); // what Gradio would show full screen, without zoom
    const image = event.target.tagName === "IMG" ? event.target : block && event.target.querySelector(".image-frame img");
    const free = image && (still || !event.detail) && (image.closest(".results") || (block && !image.closest(".selectable")));
    if (!wide && !free) return;
    const pictures = [...(block?.querySelectorAll("img") ?? [])];
    if (wide && !pictures.length) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    enlarge(free ? image : pictures.at(-1));
  }, true);
})();
