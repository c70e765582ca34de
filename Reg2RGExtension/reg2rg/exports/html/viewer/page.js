// The page: links in the report select places; the views, sliders, and lists follow.

const PLANE_NAMES = ["axial", "coronal", "sagittal"];

class Page {
  constructor(scene) {
    this.scene = scene;
    this.masks = new Map();
    for (const region of scene.regions) this.masks.set(region, { ...region, item: region, inside: insideRegion(scene, region) });
    for (const finding of scene.findings) {
      this.masks.set(finding, { ...finding, item: finding, inside: insideFinding(finding), dashed: true });
    }
    this.center = scene.size.map((count) => Math.floor(count / 2));
    this.place = null;
    this.selected = [];
    this.windowName = "Soft tissue";
    const move = (at) => this.move(at);
    this.slices = PLANE_NAMES.map((name) => {
      return new SliceView(scene, name, document.getElementById(name), document.getElementById(`${name}-slider`), move);
    });
    this.surfaces = new SurfaceView(scene, document.getElementById("surfaces"), document.getElementById("overlay"));
    document.getElementById("no-surfaces").hidden = this.surfaces.available;
    document.getElementById("window").addEventListener("change", (event) => {
      this.windowName = event.target.value;
      this.draw();
    });
    for (const box of document.querySelectorAll("[data-region], #show-findings")) {
      box.addEventListener("change", () => this.draw());
    }
    for (const button of document.querySelectorAll("[data-turn]")) {
      button.addEventListener("click", () => this.surfaces.turn(Number(button.dataset.turn), 0));
    }
    document.addEventListener("click", (event) => {
      const link = event.target.closest("[data-places]");
      if (!link) return;
      event.preventDefault();
      this.select(link);
    });
    new ResizeObserver(() => this.draw()).observe(document.getElementById("viewer"));
    this.draw();
  }

  // Show the places of a link: the views go to the first one, and all of them are highlighted.
  select(link) {
    for (const other of document.querySelectorAll("[data-places][aria-current]")) other.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
    const places = link.dataset.places.split(" ").map((number) => this.scene.places[Number(number)]);
    [this.place] = places;
    this.place = { ...this.place, lines: places.flatMap(({ lines }) => lines) };
    this.selected = places.map((place) => {
      if (place.finding !== null) return this.scene.findings[place.finding];
      return this.scene.regions.find(({ name }) => name === place.region);
    }).filter(Boolean);
    this.center = this.place.center.map((index, axis) => Math.min(Math.max(Math.round(index), 0), this.scene.size[axis] - 1));
    this.windowName = this.place.window;
    document.getElementById("window").value = this.windowName;
    this.draw();
    const numbers = PLANE_NAMES.map((name, i) => `${name} slice ${this.center[2 - i] + 1}`).join(", ");
    document.getElementById("status").textContent = `Shown: ${places.map(({ name }) => name).join("; ")}. ${numbers}.`;
    if (matchMedia("(max-width: 60rem)").matches) document.getElementById("viewer").scrollIntoView();
  }

  move(at) {
    for (const [axis, index] of Object.entries(at)) this.center[axis] = index;
    this.draw();
    const here = [...this.masks.values()].filter(({ inside }) => inside(...this.center)).map(({ title, name }) => title ?? name);
    document.getElementById("here").textContent = here.length ? `At the marked point: ${here.join(", ")}` : "";
  }

  // Draw at the next frame, once, whatever has changed until then.
  draw() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = null;
      this.drawNow();
    });
  }

  drawNow() {
    const wanted = new Set([...document.querySelectorAll("[data-region]:checked")].map((box) => box.dataset.region));
    const findings = document.getElementById("show-findings")?.checked ? this.scene.findings : [];
    const shown = new Set([...this.scene.regions.filter(({ name }) => wanted.has(name)), ...findings, ...this.selected]);
    const state = {
      center: this.center,
      place: this.place,
      table: windowTable(this.scene.curve, this.scene.windows[this.windowName]),
      shown: [...shown].map((item) => this.masks.get(item)),
      selected: this.selected.map((item) => this.masks.get(item)),
    };
    for (const view of this.slices) view.draw(state);
    // Surfaces take longest, and do not change while slices scroll.
    const { clientWidth, clientHeight } = this.surfaces.canvas;
    const drawn = [clientWidth, clientHeight, this.place, this.selected, ...shown];
    if (drawn.some((value, i) => value !== this.drawn?.[i]) || drawn.length !== this.drawn.length) this.surfaces.draw(state);
    this.drawn = drawn;
    document.documentElement.dataset.ready = "true";
  }
}

loadScene(document.getElementById("scene").textContent).then(
  (scene) => {
    document.getElementById("loading").hidden = true;
    new Page(scene);
  },
  () => {
    document.getElementById("loading").textContent = "This browser cannot show the pictures. The text is complete.";
  },
);
