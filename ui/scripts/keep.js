// What this browser keeps: pictures of one's own beside the settings of a form (keep.py), and results (results.js).
(() => {
  const STAYS = { __type__: "update" };
  atelier.store = (name, mode, work) => new Promise((done, fail) => {
    const request = indexedDB.open("atelier", 2);
    request.onupgradeneeded = () => {
      for (const [store, keyPath] of [["results", "when"], ["pictures", "place"]]) {
        if (!request.result.objectStoreNames.contains(store)) request.result.createObjectStore(store, { keyPath });
      }
    };
    request.onerror = () => fail(request.error);
    request.onsuccess = () => {
      const change = request.result.transaction(name, mode), asked = work(change.objectStore(name));
      change.oncomplete = () => { request.result.close(); done(asked?.result); };
      change.onerror = () => fail(change.error);
    };
  });

  // A component's value may be a file, or rows with one each. Those that came with the page are no pictures of one's own.
  const files = (value) => (Array.isArray(value) ? value : [value]).map((row) => row?.image ?? row).filter((file) => file?.path);
  const swap = (value, by) => Array.isArray(value) ? value.map((row) => swap(row, by)) : value.image ? { ...value, image: by(value.image) } : by(value);
  const paths = (value) => files(value).map((file) => file.path).join();
  let page = "";
  const own = (value) => files(value).filter((file) => !(page ||= JSON.stringify(gradio_config.components)).includes(JSON.stringify(file.path)));

  const held = new Map(); // place -> paths of what is kept there
  const keep = async (place, pictures) => {
    const kept = await Promise.all(pictures.map(async ({ path, url, orig_name }) =>
      ({ path, name: orig_name ?? path.split("/").at(-1), blob: await (await fetch(url)).blob() })));
    await atelier.store("pictures", "readwrite", (all) => kept.length ? all.put({ place, kept }) : all.delete(place));
  };
  atelier.remember = (tab, names, values) => {
    values.forEach((value, i) => {
      const place = `${tab} ${names[i]}`, pictures = own(value), now = paths(pictures);
      if ((held.get(place) ?? "") === now) return;
      held.set(place, now);
      keep(place, pictures).catch(console.warn); // a frame that is refused its storage
    });
    return Object.fromEntries(names.map((name, i) => [name, values[i]]));
  };

  const send = async ({ name, blob }) => { // once more, where the server has forgotten it
    const form = new FormData();
    form.append("files", blob, name);
    const [path] = await (await fetch("gradio_api/upload", { method: "POST", body: form })).json();
    return { path, url: new URL(`gradio_api/file=${path}`, document.baseURI).href, orig_name: name, meta: { _type: "gradio.FileData" } };
  };
  const bring = async (place, value) => {
    const there = new Map(), { kept } = await atelier.store("pictures", "readonly", (all) => all.get(place));
    for (const file of own(value)) {
      const known = (await fetch(file.url, { method: "HEAD" })).ok;
      there.set(file.path, known ? file : await send(kept.find((one) => one.path === file.path)));
    }
    return swap(value, (file) => there.get(file.path) ?? file);
  };
  atelier.recall = (tab, names, kept, now) => Promise.all(names.map(async (name, i) => {
    if (!kept || !(name in kept)) return STAYS;
    const value = kept[name], place = `${tab} ${name}`;
    if (files(value).length && paths(value) === paths(now[i])) return STAYS;
    return own(value).length ? bring(place, value).catch(() => null) : value; // none, rather than another one
  }));
})();
