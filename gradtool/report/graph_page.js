"use strict";
(() => {
  const { graph, beside: data } = JSON.parse(document.getElementById("data").textContent);
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  const inputs = new Map((graph.inputs || []).map((input) => [input.node, input]));
  const main = document.querySelector("main");
  const svg = main.querySelector("svg");
  const scene = svg.querySelector(".scene");
  const panel = document.getElementById("node");
  const width = Number(svg.dataset.width);
  const height = Number(svg.dataset.height);
  const boxes = new Map(Array.from(svg.querySelectorAll(".node"), (box) => [Number(box.dataset.node), box]));
  const edges = new Map(Array.from(svg.querySelectorAll(".edge[data-edge]"), (edge) => [edge.dataset.edge, edge]));
  const label = (id) => data.labels[id] || "n" + id;

  // Making elements: text is only ever set as text.
  const make = (name, attributes, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  };

  // The view: the scene is shown at `scale`, moved by `x` and `y`.
  const view = { x: 0, y: 0, scale: 1 };
  const least = 0.02;
  const most = 8;
  const show = () => scene.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.scale})`);
  const zoom = (factor, x = main.clientWidth / 2, y = main.clientHeight / 2) => {
    const scale = Math.min(most, Math.max(least, view.scale * factor));
    view.x = x - ((x - view.x) * scale) / view.scale;
    view.y = y - ((y - view.y) * scale) / view.scale;
    view.scale = scale;
    show();
  };
  const pan = (x, y) => {
    view.x += x;
    view.y += y;
    show();
  };
  const fit = (smallest) => {
    const room = 24;
    const scale = Math.min((main.clientWidth - room) / width, (main.clientHeight - room) / height, 1.25);
    view.scale = Math.max(scale, smallest);
    view.x = (main.clientWidth - width * view.scale) / 2;
    view.y = Math.max((main.clientHeight - height * view.scale) / 2, room / 2);
    const first = middle(boxes.get(data.first));
    if (width * view.scale > main.clientWidth) {
      view.x = main.clientWidth / 2 - first.x * view.scale;
    }
    if (height * view.scale > main.clientHeight) {
      view.y = Math.min(room / 2, main.clientHeight / 2 - first.y * view.scale);
    }
    show();
  };
  const middle = (box) => {
    const frame = box.querySelector("rect");
    const at = (name) => Number(frame.getAttribute(name));
    return { x: at("x") + at("width") / 2, y: at("y") + at("height") / 2 };
  };
  const visit = (box) => {
    const { x, y } = middle(box);
    view.scale = Math.max(view.scale, 0.7);
    view.x = main.clientWidth / 2 - x * view.scale;
    view.y = main.clientHeight / 2 - y * view.scale;
    show();
  };

  // Numbers and arrays as text.
  const number = (value) => {
    if (typeof value !== "number") {
      return { Infinity: "inf", "-Infinity": "-inf", NaN: "nan" }[value] || String(value);
    }
    return String(value);
  };
  const short = (value) => (typeof value === "number" ? String(Number(value.toPrecision(6))) : number(value));
  const content = (value) => {
    if (value === null || value === undefined) {
      return document.createTextNode("-");
    }
    if (Array.isArray(value)) {
      return value.length ? array(value) : document.createTextNode("[]");
    }
    if (typeof value === "object") {
      const parts = [`(${value.shape.join(", ")}${value.shape.length === 1 ? "," : ""})`];
      parts.push(`min ${short(value.min)}`, `max ${short(value.max)}`);
      parts.push(`mean ${short(value.mean)}`, `norm ${short(value.norm)}`);
      if (value.nonfinite) {
        parts.push(`${value.nonfinite} not finite`);
      }
      return document.createTextNode(parts.join("  "));
    }
    return document.createTextNode(number(value));
  };
  const array = (value) => {
    const rows = Array.isArray(value[0]) ? value : [value];
    if (rows.some((row) => row.some(Array.isArray))) {
      return make("div", { class: "array", tabindex: "0" }, ...value.map(content));
    }
    const lines = rows.map((row) => make("tr", {}, ...row.map((entry) => make("td", {}, short(entry)))));
    return make("div", { class: "array", tabindex: "0" }, make("table", {}, ...lines));
  };
  const row = (name, ...inside) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, ...inside));
  const link = (id) => {
    const made = make("button", { class: "link", type: "button" }, label(id));
    made.disabled = !boxes.has(id);
    made.addEventListener("click", () => choose(id, true));
    return made;
  };

  // The panel of a node.
  const source = (node) => {
    if (node.file !== undefined) {
      return make("pre", {}, make("mark", {}, `${node.file}:${node.line}`));
    }
    const text = Array.from(graph.expression); // Spans count characters, and JavaScript's strings do not.
    const [start, stop] = node.span;
    const part = (from, to) => text.slice(from, to).join("");
    return make("pre", {}, part(0, start), make("mark", {}, part(start, stop)), part(stop));
  };
  const reference = (name, found) => {
    if (found.status !== "ok") {
      return row(name, `${found.status}: ${found.reason}`);
    }
    const inside = [content(found.value)];
    if (found.error !== undefined && found.error !== null) {
      inside.push(" \u00b1 ", content(found.error));
    }
    return row(name, ...inside);
  };
  const table = (heads, rows) => {
    const head = make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text)));
    return make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows));
  };
  const cells = (...inside) => make("tr", {}, ...inside.map((cell) => make("td", {}, cell)));
  const local = (edge) => {
    if (edge.local === null || typeof edge.local !== "object" || edge.local.rule === undefined) {
      return content(edge.local);
    }
    const whole = make("span", {}, edge.local.rule);
    if (edge.local.jacobian !== undefined) {
      whole.append(content(edge.local.jacobian));
    }
    return whole;
  };
  const describe = (id) => {
    const node = nodes.get(id);
    const input = inputs.get(id);
    panel.replaceChildren(make("h2", {}, label(id)));
    if (node.expression !== label(id)) {
      panel.append(make("code", {}, node.expression));
    }
    const facts = [row("operation", node.operation)];
    if (node.shape.length) {
      facts.push(row("shape", `(${node.shape.join(", ")}${node.shape.length === 1 ? "," : ""})`));
    }
    facts.push(row("value", content(node.value)));
    facts.push(row("upstream", data.remarks[id] ? data.remarks[id] : content(node.upstream)));
    if (input !== undefined && input.gradient !== null) {
      facts.push(reference("symbolic", input.references.symbolic), reference("numeric", input.references.numeric));
      facts.push(row("verdict", make("strong", { class: input.verdict }, input.verdict)));
    }
    if (input !== undefined && input.reason !== null) {
      facts.push(row("", input.reason));
    }
    panel.append(make("table", { id: "facts" }, ...facts));
    if (node.edges.length) {
      const rows = node.edges.map((edge) => cells(link(edge.from), local(edge), content(edge.downstream)));
      panel.append(make("h3", {}, "sends down"), table(["into", "local", "downstream"], rows));
    }
    const above = graph.nodes.flatMap((other) =>
      other.edges.filter((edge) => edge.from === id).map((edge) => cells(link(other.id), content(edge.downstream))),
    );
    if (above.length) {
      panel.append(make("h3", {}, "arrives"), table(["from", "downstream"], above));
    }
    for (const found of graph.diagnostics.filter((diagnostic) => diagnostic.node === id)) {
      panel.append(diagnostic(found));
    }
    panel.append(make("h3", {}, "source"), source(node));
    const marked = panel.querySelector("pre mark");
    marked.parentElement.scrollTop = marked.offsetTop - marked.parentElement.offsetTop - 40;
  };
  const diagnostic = (found) => make("p", { class: found.severity }, `${found.code} ${found.severity}: ${found.message}`);

  let chosen = null;
  const choose = (id, go) => {
    if (chosen !== null) {
      boxes.get(chosen).classList.remove("selected");
      boxes.get(chosen).setAttribute("aria-pressed", "false");
    }
    chosen = id;
    if (id === null) {
      panel.replaceChildren(make("p", { class: "dim" }, data.hint));
      return;
    }
    const box = boxes.get(id);
    box.classList.add("selected");
    box.setAttribute("aria-pressed", "true");
    describe(id);
    document.querySelector("aside").scrollTop = 0;
    if (go) {
      visit(box);
      box.focus({ preventScroll: true });
    }
  };

  // Along an edge, with the arrow keys.
  const step = (id, up) => {
    const ways = Array.from(edges.keys(), (key) => key.split(":").map(Number));
    if (up) {
      return ways.filter(([node, argument]) => data.arguments[node][argument] === id).map(([node]) => node)[0];
    }
    return data.arguments[id].find((source) => boxes.has(source));
  };

  for (const [id, box] of boxes) {
    box.setAttribute("tabindex", "0");
    box.setAttribute("role", "button");
    box.setAttribute("aria-pressed", "false");
    box.setAttribute("aria-label", box.querySelector("title").textContent);
    box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        choose(id, false);
      } else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
        const next = step(id, event.key === "ArrowUp");
        if (next !== undefined) {
          choose(next, true);
        }
      } else {
        return;
      }
      event.preventDefault();
      event.stopPropagation();
    });
  }

  // The mouse, a pen or a finger: a press that hardly moves is a click.
  const pointers = new Map();
  let moved = 0;
  main.addEventListener("pointerdown", (event) => {
    if (event.button === 0) {
      pointers.set(event.pointerId, event);
      moved = 0;
    }
  });
  main.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (last === undefined) {
      return;
    }
    const x = event.clientX - last.clientX;
    const y = event.clientY - last.clientY;
    moved += Math.abs(x) + Math.abs(y);
    if (moved < 4) {
      return;
    }
    main.setPointerCapture(event.pointerId);
    main.classList.add("dragging");
    pointers.set(event.pointerId, event);
    if (pointers.size === 1) {
      pan(x, y);
    } else {
      const other = Array.from(pointers.values()).find((pointer) => pointer.pointerId !== event.pointerId);
      const span = (pointer) => Math.hypot(pointer.clientX - other.clientX, pointer.clientY - other.clientY);
      const frame = main.getBoundingClientRect();
      const at = { x: other.clientX - frame.left, y: other.clientY - frame.top };
      zoom(Math.max(span(event), 1) / Math.max(span(last), 1), at.x, at.y);
    }
  });
  const released = (event) => {
    pointers.delete(event.pointerId);
    main.classList.remove("dragging");
  };
  main.addEventListener("pointerup", released);
  main.addEventListener("pointercancel", released);
  main.addEventListener("click", (event) => {
    const box = event.target.closest(".node");
    if (box !== null && moved < 4) {
      choose(Number(box.dataset.node), false);
    }
  });
  main.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const frame = main.getBoundingClientRect();
      const lines = event.deltaMode === 1 ? 20 : 1;
      zoom(Math.exp(-event.deltaY * lines * 0.0015), event.clientX - frame.left, event.clientY - frame.top);
    },
    { passive: false },
  );
  main.addEventListener("focusin", (event) => {
    const box = event.target.closest(".node");
    if (box === null || !box.matches(":focus-visible")) {
      return;
    }
    const seen = box.getBoundingClientRect();
    const frame = main.getBoundingClientRect();
    if (seen.left < frame.left || seen.right > frame.right || seen.top < frame.top || seen.bottom > frame.bottom) {
      visit(box);
    }
  });

  const tools = { in: () => zoom(1.25), out: () => zoom(0.8), fit: () => fit(least), real: () => zoom(1 / view.scale) };
  for (const button of document.querySelectorAll("button[data-zoom]")) {
    button.addEventListener("click", tools[button.dataset.zoom]);
  }

  // Search.
  const search = document.getElementById("search");
  const list = document.getElementById("found");
  let hits = [];
  let hit = 0;
  const mostHits = 20;
  const find = () => {
    const words = search.value.trim().toLowerCase();
    const rank = (node) => (label(node.id).toLowerCase() === words || "n" + node.id === words ? 0 : 1);
    const text = (node) => `${label(node.id)} n${node.id} ${node.expression} ${node.operation}`.toLowerCase();
    hits = words ? graph.nodes.filter((node) => boxes.has(node.id) && text(node).includes(words)) : [];
    hits.sort((a, b) => rank(a) - rank(b) || b.id - a.id);
    const many = hits.length;
    hits = hits.slice(0, mostHits);
    hit = 0;
    const entries = hits.map((node, k) => {
      const name = label(node.id);
      const shown = name === node.expression ? name : `${name}  ${node.expression}`;
      const entry = make("li", { role: "option", id: `hit${k}` }, shown);
      entry.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        jump(k);
      });
      return entry;
    });
    if (words && !many) {
      entries.push(make("li", { class: "dim" }, "no such node"));
    } else if (many > mostHits) {
      entries.push(make("li", { class: "dim" }, `${many - mostHits} more`));
    }
    list.replaceChildren(...entries);
    list.hidden = !entries.length;
    search.setAttribute("aria-expanded", String(!list.hidden));
    point();
  };
  const point = () => {
    Array.from(list.children).forEach((entry, k) => entry.setAttribute("aria-selected", String(k === hit && !!hits.length)));
    if (hits.length) {
      search.setAttribute("aria-activedescendant", `hit${hit}`);
      list.children[hit].scrollIntoView({ block: "nearest" });
    } else {
      search.removeAttribute("aria-activedescendant");
    }
  };
  const close = () => {
    list.hidden = true;
    search.setAttribute("aria-expanded", "false");
  };
  const jump = (k) => {
    if (hits[k] !== undefined) {
      choose(hits[k].id, true);
      close();
    }
  };
  search.addEventListener("input", find);
  search.addEventListener("focus", find);
  search.addEventListener("blur", close);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      jump(hit);
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      hit = Math.min(Math.max(hit + (event.key === "ArrowDown" ? 1 : -1), 0), Math.max(hits.length - 1, 0));
      point();
    } else if (event.key === "Escape") {
      search.value = "";
      close();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  });

  // Paths.
  const pathButtons = Array.from(document.querySelectorAll("button[data-path]"));
  let path = null;
  const follow = (button) => {
    path = button;
    const way = button === null ? null : data.ways[Number(button.dataset.path)];
    pathButtons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
    const onNodes = new Set(way === null ? [] : way.nodes);
    const onEdges = new Set(way === null ? [] : way.edges);
    for (const [id, box] of boxes) {
      box.classList.toggle("dimmed", way !== null && !onNodes.has(id));
      box.classList.toggle("on-path", onNodes.has(id));
    }
    for (const edge of svg.querySelectorAll(".edge, .stub")) {
      const on = onEdges.has(edge.dataset.edge);
      edge.classList.toggle("dimmed", way !== null && !on);
      edge.classList.toggle("on-path", on);
      if (on) {
        scene.insertBefore(edge, scene.querySelector(".node, .stub")); // Above the edges that it shares its way with.
      }
    }
  };
  for (const button of pathButtons) {
    button.addEventListener("click", () => follow(button === path ? null : button));
  }
  for (const button of document.querySelectorAll("button[data-goto]")) {
    button.addEventListener("click", () => choose(Number(button.dataset.goto), true));
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target === search) {
      return;
    }
    const far = 60;
    const keys = {
      "+": tools.in, "=": tools.in, "-": tools.out, 0: tools.fit, 1: tools.real,
      "/": () => search.focus(), Escape: () => (path === null ? choose(null) : follow(null)),
    };
    if (main.contains(event.target)) {
      keys.ArrowLeft = () => pan(far, 0);
      keys.ArrowRight = () => pan(-far, 0);
      keys.ArrowUp = () => pan(0, far);
      keys.ArrowDown = () => pan(0, -far);
    }
    if (Object.hasOwn(keys, event.key)) {
      keys[event.key]();
      event.preventDefault();
    }
  });

  for (const found of graph.diagnostics) {
    const shown = diagnostic(found);
    if (found.node !== null && boxes.has(found.node)) {
      shown.append(" ", link(found.node));
    }
    document.getElementById("diagnostics").append(shown);
  }
  svg.removeAttribute("viewBox");
  choose(null);
  fit(0.7);
  new ResizeObserver(show).observe(main);
})();
