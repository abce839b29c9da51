// Stands in for `Function`, which our policy forbids: Gradio builds its HTML components with it. The few bodies that
// are built for our page are known by their form; anything else is refused, as the browser itself would.
(() => {
  const Native = window.Function;
  const MOUNT = /^\(window\.inkglassMounts = window\.inkglassMounts \|\| \[\]\)\.push\(\{name: '([a-z-]+)', element, props, trigger, watch, server: typeof server === 'undefined' \? null : server, event: 'act'\}\);$/;
  const TEMPLATE = /^return `([^`$\\]*)`;$/; // Gradio's template without values
  const LITERAL = /^\s*return ("(?:[^"\\]|\\.)*");?\s*$/; // Handlebars' for a template without values

  function mount(name) {
    return (element, trigger, props, server, upload, watch) => {
      (window.inkglassMounts = window.inkglassMounts || []).push({ name, element, props, trigger, watch, server: server ?? null, event: "act" });
    };
  }

  function Known(...parameters) {
    const body = String(parameters.pop() ?? "");
    let found = body.match(MOUNT);
    if (found) return mount(found[1]);
    found = body.match(TEMPLATE);
    if (found) return () => found[1];
    found = body.match(LITERAL);
    if (found) return () => JSON.parse(found[1]);
    console.error("A function was refused:", parameters, body.slice(0, 300));
    throw new EvalError("Inkglass builds no functions from text.");
  }

  Known.prototype = Native.prototype;
  window.Function = Known;
})();
