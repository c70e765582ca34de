// One slice view: an axial, coronal or sagittal slice with outlines, the selected place and measurement lines.

// Axes of the volume (0 = left, 1 = posterior, 2 = superior) that run to the right, down and into the picture.
const PLANES = {
  axial: { across: 0, down: 1, depth: 2, letters: "RLAP", ends: ["inferior", "superior"] },
  coronal: { across: 0, down: 2, depth: 1, letters: "RLSI", ends: ["anterior", "posterior"] },
  sagittal: { across: 1, down: 2, depth: 0, letters: "APSI", ends: ["right", "left"] },
};
const LINE_COLOR = "rgb(255, 221, 64)";
const LINE_REACH_MM = 2.5; // a line is drawn on slices up to this far from it

class SliceView {
  constructor(scene, plane, canvas, slider, onMove) {
    Object.assign(this, { scene, canvas, slider, onMove, name: plane }, PLANES[plane]);
    this.columns = scene.size[this.across];
    this.rows = scene.size[this.down];
    this.aspect = (this.rows * scene.spacing[this.down]) / (this.columns * scene.spacing[this.across]);
    slider.max = scene.size[this.depth] - 1;
    slider.addEventListener("input", () => this.moveTo(Number(slider.value)));
    canvas.addEventListener("wheel", (event) => this.scroll(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.point(event));
    canvas.addEventListener("pointermove", (event) => event.buttons === 1 && this.point(event));
    this.gray = new OffscreenCanvas(this.columns, this.rows);
  }

  moveTo(index) {
    const at = {};
    at[this.depth] = Math.min(Math.max(index, 0), this.scene.size[this.depth] - 1);
    this.onMove(at);
  }

  scroll(event) {
    event.preventDefault();
    this.moveTo(Number(this.slider.value) + Math.sign(event.deltaY) * (this.name === "axial" ? -1 : 1));
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) / box.width) * this.columns);
    const row = Math.floor(((event.clientY - box.top) / box.height) * this.rows);
    const at = {};
    at[this.across] = Math.min(Math.max(column, 0), this.columns - 1);
    at[this.down] = this.flipped(Math.min(Math.max(row, 0), this.rows - 1));
    this.onMove(at);
  }

  // The head is at the top, but the last in the volume.
  flipped(row) {
    return this.down === 2 ? this.rows - 1 - row : row;
  }

  // Call visit(x, y, z, column, row) for every voxel of the slice.
  voxels(index, visit) {
    const voxel = [0, 0, 0];
    voxel[this.depth] = index;
    for (let row = 0; row < this.rows; row++) {
      voxel[this.down] = this.flipped(row);
      for (let column = 0; column < this.columns; column++) {
        voxel[this.across] = column;
        visit(voxel[0], voxel[1], voxel[2], column, row);
      }
    }
  }

  draw({ center, table, shown, selected, place }) {
    const index = Math.round(center[this.depth]);
    this.slider.value = index;
    this.slider.setAttribute("aria-valuetext", `${index + 1} of ${this.scene.size[this.depth]}`);
    const ratio = window.devicePixelRatio || 1;
    this.fit(ratio);
    // The processor draws slices faster than a graphics driver without a card does.
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.drawGray(context, index, table);
    for (const mask of shown) {
      const strong = selected.includes(mask);
      this.drawMask(context, index, mask, strong ? 0.22 : 0, (strong ? 2.2 : 1) * ratio);
    }
    for (const [start, end] of place?.lines ?? []) this.drawLine(context, index, start, end, ratio);
    if (place) this.drawCrosshair(context, place.center, index, ratio);
    this.drawLetters(context, ratio);
  }

  // Make the picture as large as its frame allows.
  fit(ratio) {
    const frame = this.canvas.parentElement;
    const width = Math.max(1, Math.floor(Math.min(frame.clientWidth, frame.clientHeight / this.aspect)));
    const height = Math.max(1, Math.floor(width * this.aspect));
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
  }

  drawGray(context, index, table) {
    const picture = new ImageData(this.columns, this.rows);
    const [width, height] = this.scene.size;
    const { volume } = this.scene;
    this.voxels(index, (x, y, z, column, row) => {
      const at = 4 * (row * this.columns + column);
      const value = volume ? table[volume[(z * height + y) * width + x]] : 0;
      picture.data[at] = picture.data[at + 1] = picture.data[at + 2] = value;
      picture.data[at + 3] = 255;
    });
    this.gray.getContext("2d").putImageData(picture, 0, 0);
    context.imageSmoothingQuality = "high";
    context.drawImage(this.gray, 0, 0, this.canvas.width, this.canvas.height);
  }

  // Outline a mask along the edges of its voxels and fill it with a tint.
  drawMask(context, index, { inside, color, dashed }, opacity, lineWidth) {
    const map = new Uint8Array(this.columns * this.rows);
    let any = false;
    this.voxels(index, (x, y, z, column, row) => {
      if (inside(x, y, z)) any = map[row * this.columns + column] = 1;
    });
    if (!any) return;
    const [sx, sy] = [this.canvas.width / this.columns, this.canvas.height / this.rows];
    const edges = new Path2D();
    const fill = new Path2D();
    for (let row = 0; row <= this.rows; row++) {
      for (let column = 0, start = -1; column <= this.columns; column++) {
        const here = column < this.columns && row < this.rows ? map[row * this.columns + column] : 0;
        const above = row > 0 && column < this.columns ? map[(row - 1) * this.columns + column] : 0;
        const before = column > 0 && row < this.rows ? map[row * this.columns + column - 1] : 0;
        if (here !== above) edges.moveTo(column * sx, row * sy), edges.lineTo((column + 1) * sx, row * sy);
        if (here !== before) edges.moveTo(column * sx, row * sy), edges.lineTo(column * sx, (row + 1) * sy);
        if (here && start < 0) start = column;
        if (!here && start >= 0) fill.rect(start * sx, row * sy, (column - start) * sx, sy), (start = -1);
      }
    }
    if (opacity) {
      context.fillStyle = `rgba(${color.join()}, ${opacity})`;
      context.fill(fill);
    }
    context.setLineDash(dashed ? [3 * lineWidth, 2 * lineWidth] : []);
    context.lineWidth = lineWidth;
    context.strokeStyle = `rgb(${color.join()})`;
    context.stroke(edges);
    context.setLineDash([]);
  }

  // Return where a voxel is in the picture, in pixels.
  pixel(voxel) {
    const row = this.down === 2 ? this.rows - 1 - voxel[this.down] : voxel[this.down];
    return [
      ((voxel[this.across] + 0.5) / this.columns) * this.canvas.width,
      ((row + 0.5) / this.rows) * this.canvas.height,
    ];
  }

  drawLine(context, index, start, end, ratio) {
    const [near, far] = [start[this.depth], end[this.depth]].sort((a, b) => a - b);
    const reach = LINE_REACH_MM / this.scene.spacing[this.depth];
    if (index < near - reach || index > far + reach) return;
    const [from, to] = [this.pixel(start), this.pixel(end)];
    context.lineCap = "round";
    for (const [width, style] of [[5, "black"], [2.5, LINE_COLOR]]) {
      context.lineWidth = width * ratio;
      context.strokeStyle = style;
      context.beginPath();
      context.moveTo(...from);
      context.lineTo(...to);
      context.stroke();
    }
    context.fillStyle = LINE_COLOR;
    for (const [x, y] of [from, to]) {
      context.beginPath();
      context.arc(x, y, 4 * ratio, 0, 2 * Math.PI);
      context.fill();
    }
  }

  // Mark the selected place with four strokes around it, which also show where it is outside this slice.
  drawCrosshair(context, center, index, ratio) {
    const [x, y] = this.pixel(center);
    const here = Math.abs(center[this.depth] - index) < 1;
    context.strokeStyle = here ? "white" : "rgba(255, 255, 255, 0.4)";
    context.lineWidth = 1.5 * ratio;
    const [gap, reach] = [16 * ratio, 34 * ratio];
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + dx * gap, y + dy * gap);
      context.lineTo(x + dx * reach, y + dy * reach);
    }
    context.stroke();
  }

  drawLetters(context, ratio) {
    const { width, height } = this.canvas;
    const inset = 12 * ratio;
    context.font = `${14 * ratio}px sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineWidth = 3 * ratio;
    context.strokeStyle = "black";
    context.fillStyle = "white";
    const places = [[inset, height / 2], [width - inset, height / 2], [width / 2, inset], [width / 2, height - inset]];
    for (const [i, [x, y]] of places.entries()) {
      context.strokeText(this.letters[i], x, y);
      context.fillText(this.letters[i], x, y);
    }
  }
}
