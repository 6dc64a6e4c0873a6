// Gradio loads the page again when a lost connection is back (it sends nothing before that). The tab that was open is
// opened again, and one sentence says what happened; the forms of methods keep their settings themselves (keep.py).
(() => {
  const TAB = "atelier-tab", LOST = "atelier-lost";
  const words = navigator.language.toLowerCase().startsWith("zh")
    ? "与服务器的连接曾中断，现已恢复。请看一眼设置，重新选择您自己的图片，再按一次“运行”。"
    : "The connection to the server was lost and is back. Look over the settings, choose pictures of your own again, and press Run again.";
  const name = (tab) => tab.dataset.tabId ?? tab.id.replace(/-button$/, "");
  document.addEventListener("click", (event) => {
    const tab = event.target.closest?.('[role="tab"]');
    if (tab) sessionStorage.setItem(TAB, name(tab));
    if (event.target.closest?.("button.run, .notice")) document.querySelector(".notice")?.remove();
  }, true);
  const send = window.fetch;
  window.fetch = (...what) => {  // asked for by nothing else
    if (String(what[0]?.url ?? what[0]).endsWith("/app_id")) sessionStorage.setItem(LOST, "1");
    return send(...what);
  };
  const [navigation] = performance.getEntriesByType("navigation");
  if (navigation?.type !== "reload") return;
  const wanted = sessionStorage.getItem(TAB), lost = sessionStorage.getItem(LOST);
  sessionStorage.removeItem(LOST);
  const arrived = setInterval(() => {
    const tabs = [...document.querySelectorAll('[role="tab"]')];
    if (!tabs.length) return;
    clearInterval(arrived);
    tabs.find((tab) => name(tab) === wanted)?.click();
    if (!lost) return;
    const notice = document.createElement("div");
    notice.className = "notice";
    notice.setAttribute("role", "alert");
    notice.textContent = words;
    document.body.append(notice);
  }, 100);
})();
