// Gradio's client takes its stream of answers for closed once the server had no event left. One that was joined meanwhile
// would never be heard of, and its run end unheard: such a stream goes on here in a new one.
(() => {
  const ask = window.fetch.bind(window), waited = new Set(); // events that were joined and have not been completed
  const names = (input, end) => new URL(input.url ?? input, location.href).pathname.endsWith(end);
  const encoder = new TextEncoder();

  const pass = async (answer, again, onward) => {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ;) {
      const { done, value } = await reader.read();
      if (done) return onward.close();
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      for (const part of parts) {
        const message = JSON.parse(part.replace(/^data: /, ""));
        if (message.msg === "process_completed") waited.delete(message.event_id);
        if (message.msg === "close_stream" && waited.size) {
          const next = await again();
          if (next.ok) return pass(next, again, onward);
        }
        onward.enqueue(encoder.encode(`${part}\n\n`));
      }
    }
  };

  window.fetch = async (input, options) => {
    const answer = await ask(input, options);
    if (answer.ok && names(input, "/queue/join")) waited.add((await answer.clone().json()).event_id);
    if (!answer.ok || !names(input, "/queue/data")) return answer;
    const start = (onward) => pass(answer, () => ask(input, options), onward).catch((error) => {
      waited.clear(); // Gradio's client tells whoever waits that the connection is broken
      onward.error(error);
    });
    return new Response(new ReadableStream({ start: (onward) => { start(onward); } }), answer);
  };
})();
