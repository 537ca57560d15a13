"use strict";
/* Sorts and searches tables, and changes between light and dark. Texts are only ever set as text. */
(() => {
  const byId = (id) => document.getElementById(id);
  const values = JSON.parse(byId("values").textContent);

  /* Light and dark. */
  const root = document.documentElement;
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (prefersDark.matches ? "dark" : "light")) === "dark";
  const themeButton = byId("theme");
  const themed = [];
  const applyTheme = () => {
    themeButton.textContent = isDark() ? "Light" : "Dark";
    themed.forEach((change) => change());
  };
  themeButton.hidden = false;
  themeButton.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    applyTheme();
  });
  prefersDark.addEventListener("change", applyTheme);

  /* Tables: headings become buttons that sort, and a field hides the rows without its text. */
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    return "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent.toLowerCase();
  };
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

  const sortBy = (table, heading, column) => {
    const falling = heading.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const sign = falling ? -1 : 1;
    const rows = [...table.tBodies[0].rows].map((row) => [valueOf(row, column), row]);
    rows.sort((a, b) => sign * compare(a[0], b[0]));
    table.tBodies[0].append(...rows.map(([, row]) => row));
  };

  const search = (name, wanted) => {
    const rows = [...byId(name).tBodies[0].rows];
    const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
    const left = rows.filter((row) => !row.hidden).length;
    document.querySelector(`[data-count="${name}"]`).textContent =
      left === rows.length ? `${left} rows` : `${left} of ${rows.length} rows`;
  };

  const makeSortable = (table) => {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent;
      button.addEventListener("click", () => sortBy(table, heading, column));
      heading.replaceChildren(button);
    });
  };

  document.querySelectorAll(".block table").forEach(makeSortable);
  for (const field of document.querySelectorAll("[data-search]")) {
    const name = field.dataset.search;
    document.querySelector(`[data-tools="${name}"]`).hidden = false;
    field.addEventListener("input", () => search(name, field.value));
  }

  /* Plots: one document of Bokeh, each root of which stands in an element of its own. */
  const draw = async () => {
    const plots = JSON.parse(byId("document").textContent);
    for (const place of document.querySelectorAll(".needs-js")) place.hidden = false;
    const roots = values.elements;
    if (Object.keys(roots).length > 0) {
      const item = { docid: "page", roots, root_ids: Object.keys(roots) };
      await Bokeh.embed.embed_items({ page: plots }, [item]);
      connect(Bokeh.documents[0]);
    }
    applyTheme();
    root.dataset.ready = "yes";
  };

  const connect = (plots) => {
    const models = [...plots._all_models.values()];
    themed.push(() => colour(models));
    if (values.elements && plots.get_model_by_name("labels")) connectMap(plots, models);
    if (values.budgets.length > 0) connectBudgets(plots, models);
  };

  /* Gives everything that is tagged with a colour of the page that colour as it is now. */
  const colour = (models) => {
    const style = getComputedStyle(root);
    const named = (name) => style.getPropertyValue(`--${name}`).trim();
    for (const model of models) {
      for (const tag of model.tags ?? []) {
        const [what, name] = String(tag).split(":");
        if (name) model[`${what}_color`] = named(name);
      }
      if (model.type === "Figure") model.title.text_color = named("ink");
      if (model.type === "Grid") model.grid_line_color = named("line");
      if ("major_label_text_color" in model) {
        model.major_label_text_color = named("soft");
        model.axis_label_text_color = named("soft");
      }
    }
  };

  /* The map: layers are shown and hidden, coloured by a column, and listed when drawn around. */
  const LISTED = 300;
  const connectMap = (plots, models) => {
    const layers = models
      .filter((model) => String(model.name ?? "").startsWith("layer "))
      .map((model) => ({ name: model.name.slice(6), model, data: model.data_source }));

    for (const box of document.querySelectorAll("[data-layer]")) {
      const layer = layers.find((one) => one.name === box.dataset.layer);
      box.addEventListener("change", () => { layer.model.visible = box.checked; });
    }

    const choice = byId("colour");
    const paint = () => {
      const legend = byId("colours");
      legend.hidden = !choice?.value;
      if (!choice?.value) return;
      const column = `colour${choice.value}`;
      for (const { name, model } of layers) {
        if (name === "isolated") continue;
        const part = name === "near-duplicate" ? "line_color" : "fill_color";
        for (const glyph of [model.glyph, model.nonselection_glyph, model.selection_glyph]) {
          if (glyph?.type) glyph[part] = { field: column };
        }
      }
      const chosen = values.colours[choice.value];
      legend.className = chosen.isScale ? "legend scale" : "legend";
      legend.replaceChildren(...(chosen.isScale ? scaleOf(chosen.legend) : keysOf(chosen.legend)));
    };
    choice?.addEventListener("change", () => { applyTheme(); });
    themed.push(paint);

    // On a phone, a drag scrolls the page.
    if (matchMedia("(pointer: coarse)").matches) {
      for (const model of models) if (model.type === "LassoSelectTool") model.active = false;
    }

    const box = byId("lassoed");
    const list = () => {
      const selected = layers.filter((one) => one.name !== "isolated").flatMap(({ name, data }) =>
        [...data.selected.indices].map((place) => [name, data.data, place]));
      box.hidden = selected.length === 0;
      byId("lassoed-count").textContent =
        `${selected.length} rows${selected.length > LISTED ? `, of which ${LISTED} are listed` : ""}`;
      box.querySelector("tbody").replaceChildren(...selected.slice(0, LISTED).map(lineOf));
    };
    for (const { data } of layers) data.selected.properties.indices.change.connect(list);
    byId("lassoed-clear").addEventListener("click", () => {
      for (const { data } of layers) data.selected.indices = [];
    });
  };

  const lineOf = ([name, data, place]) => {
    const line = document.createElement("tr");
    const distance = data.distance[place];
    const cells = [
      ["row", data.row[place]],
      ["text", data.text[place]],
      ["text", name],
      ["number", Number.isFinite(distance) ? distance.toFixed(4) : "–"],
    ];
    for (const [kind, shown] of cells) {
      const cell = line.insertCell();
      cell.className = kind;
      cell.dir = "auto";
      cell.textContent = shown;
    }
    return line;
  };

  const keysOf = (legend) => legend.map(([label, colour]) => {
    const key = document.createElement("span");
    const mark = document.createElement("i");
    key.className = "key";
    mark.className = "mark";
    mark.style.background = colour;
    key.append(mark, label);
    return key;
  });

  const scaleOf = (legend) => {
    const bar = document.createElement("span");
    for (const [, colour] of legend) bar.appendChild(document.createElement("b")).style.background = colour;
    return [legend[0][0], bar, legend[legend.length - 1][0]];
  };

  /* The slider, and clicks in the plots above it, move a line and say what a budget gives. */
  const connectBudgets = (plots, models) => {
    const slider = byId("budget");
    const budgets = plots.get_model_by_name("budgets").data.rows;
    const lines = models.filter((model) => model.name === "moving");
    const show = () => {
      for (const line of lines) line.location = budgets[slider.value];
      byId("budget-says").textContent = values.budgets[slider.value];
      slider.setAttribute("aria-valuetext", values.budgets[slider.value]);
    };
    slider.addEventListener("input", show);
    for (const [id, element] of Object.entries(values.elements)) {
      if (!element.startsWith("plot-budget-")) continue;
      plots.get_model_by_id(id).on_event("tap", (event) => {
        const distance = (place) => Math.abs(budgets[place] - event.x);
        const places = [...budgets.keys()];
        slider.value = places.reduce((a, b) => (distance(b) < distance(a) ? b : a));
        show();
      });
    }
    show();
  };

  draw();
})();
