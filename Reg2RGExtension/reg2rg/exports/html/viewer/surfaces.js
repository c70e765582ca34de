// The surfaces in 3D: the selected ones are solid, all others are as transparent as glass.

const VERTEX_SHADER = `#version 300 es
uniform mat3 rotation;
uniform vec3 corner, size, center;
uniform vec2 scale;
in vec3 vertex, normal;
out vec3 facing;
void main() {
  vec3 seen = rotation * (corner + size * vertex - center);
  facing = rotation * normal;
  gl_Position = vec4(seen.xy * scale, seen.z / 1000.0, 1.0);
}`;

const FRAGMENT_SHADER = `#version 300 es
precision mediump float;
uniform vec3 color;
uniform float glass;
in vec3 facing;
out vec4 pixel;
void main() {
  vec3 n = normalize(facing);
  float front = abs(n.z);
  float light = 0.35 + 0.65 * max(0.0, dot(n, normalize(vec3(-0.4, 0.5, -0.9))));
  float alpha = glass > 0.0 ? glass * (0.12 + pow(1.0 - front, 2.0)) : 1.0;
  pixel = vec4((glass > 0.0 ? color : color * light) * alpha, alpha);
}`;

const GLASS = 0.28; // opacity where a surface is seen edge-on
const KEY_STEP = 0.15; // rad

class SurfaceView {
  constructor(scene, canvas, overlay) {
    Object.assign(this, { scene, canvas, overlay, state: null });
    this.gl = canvas.getContext("webgl2", { alpha: true, antialias: true, preserveDrawingBuffer: true });
    this.extent = scene.size.map((count, axis) => count * scene.spacing[axis]);
    this.reset();
    if (!this.gl) return;
    this.prepare();
    canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons === 1) this.turn(event.movementX * 0.01, event.movementY * 0.01);
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.enlarge(Math.exp(-0.001 * event.deltaY));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.press(event));
  }

  get available() {
    return this.gl !== null;
  }

  reset() {
    Object.assign(this, { yaw: 0.35, pitch: 0.12, zoom: 1 });
  }

  turn(yaw, pitch) {
    this.yaw += yaw;
    this.pitch = Math.min(Math.max(this.pitch + pitch, -1.5), 1.5);
    this.draw();
  }

  enlarge(factor) {
    this.zoom = Math.min(Math.max(this.zoom * factor, 0.5), 8);
    this.draw();
  }

  press(event) {
    const actions = {
      ArrowLeft: () => this.turn(-KEY_STEP, 0),
      ArrowRight: () => this.turn(KEY_STEP, 0),
      ArrowUp: () => this.turn(0, -KEY_STEP),
      ArrowDown: () => this.turn(0, KEY_STEP),
      "+": () => this.enlarge(1.2),
      "-": () => this.enlarge(1 / 1.2),
      Home: () => (this.reset(), this.draw()),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  }

  prepare() {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX_SHADER], [gl.FRAGMENT_SHADER, FRAGMENT_SHADER]]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    this.at = (name) => gl.getUniformLocation(program, name);
    this.meshes = new Map();
    for (const item of [...this.scene.regions, ...this.scene.findings]) {
      if (item.surface) this.meshes.set(item, this.upload(program, item.surface));
    }
    gl.enable(gl.DEPTH_TEST);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  upload(program, { corner, size, vertices, normals, triangles }) {
    const { gl } = this;
    const array = gl.createVertexArray();
    gl.bindVertexArray(array);
    const attribute = (name, data, type, normalized, stride) => {
      const location = gl.getAttribLocation(program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
      gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
      gl.enableVertexAttribArray(location);
      gl.vertexAttribPointer(location, 3, type, normalized, stride, 0);
    };
    attribute("vertex", vertices, gl.UNSIGNED_SHORT, true, 6);
    attribute("normal", normals, gl.BYTE, true, 4);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, triangles, gl.STATIC_DRAW);
    return { array, corner, size, count: triangles.length };
  }

  // Return the matrix, column by column, from (left, posterior, superior) to (right on the screen, up, away).
  rotation() {
    const [s, c] = [Math.sin(this.yaw), Math.cos(this.yaw)];
    const [t, u] = [Math.sin(this.pitch), Math.cos(this.pitch)];
    return [c, s * t, s * u, -s, c * t, c * u, 0, u, -t];
  }

  scale() {
    const { width, height } = this.canvas;
    const pixels = (0.92 * this.zoom * Math.min(width / Math.hypot(this.extent[0], this.extent[1]), height / this.extent[2]));
    return [(2 * pixels) / width, (2 * pixels) / height];
  }

  draw(state = this.state) {
    this.state = state;
    if (!this.gl || !state) return;
    const { gl, canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.depthMask(true);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.uniformMatrix3fv(this.at("rotation"), false, this.rotation());
    gl.uniform3fv(this.at("center"), this.extent.map((mm) => mm / 2));
    gl.uniform2fv(this.at("scale"), this.scale());
    const items = state.shown.map(({ item }) => item).filter((item) => this.meshes.has(item));
    const solid = state.selected.map(({ item }) => item).filter((item) => this.meshes.has(item));
    gl.disable(gl.BLEND);
    for (const item of solid) this.drawMesh(item, 0);
    gl.enable(gl.BLEND);
    gl.depthMask(false);
    for (const item of items) if (!solid.includes(item)) this.drawMesh(item, solid.length ? 0.6 * GLASS : GLASS);
    this.drawOverlay(state.place, ratio);
  }

  drawMesh(item, glass) {
    const { gl } = this;
    const { array, corner, size, count } = this.meshes.get(item);
    gl.bindVertexArray(array);
    gl.uniform3fv(this.at("corner"), corner);
    gl.uniform3fv(this.at("size"), size);
    gl.uniform3fv(this.at("color"), item.color.map((channel) => channel / 255));
    gl.uniform1f(this.at("glass"), glass);
    gl.drawElements(gl.TRIANGLES, count, gl.UNSIGNED_INT, 0);
  }

  // Draw measurement lines, the selected place and the direction letters over the surfaces.
  drawOverlay(place, ratio) {
    const { width, height } = this.canvas;
    this.overlay.width = width;
    this.overlay.height = height;
    const context = this.overlay.getContext("2d");
    const [m, [sx, sy]] = [this.rotation(), this.scale()];
    const project = (mm) => {
      const p = mm.map((value, axis) => value - this.extent[axis] / 2);
      const x = m[0] * p[0] + m[3] * p[1] + m[6] * p[2];
      const y = m[1] * p[0] + m[4] * p[1] + m[7] * p[2];
      return [((1 + x * sx) / 2) * width, ((1 - y * sy) / 2) * height];
    };
    const inMm = (voxel) => voxel.map((index, axis) => index * this.scene.spacing[axis]);
    context.lineCap = "round";
    for (const [start, end] of place?.lines ?? []) {
      for (const [thick, style] of [[5, "black"], [2.5, LINE_COLOR]]) {
        context.lineWidth = thick * ratio;
        context.strokeStyle = style;
        context.beginPath();
        context.moveTo(...project(inMm(start)));
        context.lineTo(...project(inMm(end)));
        context.stroke();
      }
    }
    if (place) {
      const [x, y] = project(inMm(place.center));
      context.strokeStyle = "white";
      context.lineWidth = 1.5 * ratio;
      context.beginPath();
      context.arc(x, y, 14 * ratio, 0, 2 * Math.PI);
      context.stroke();
    }
    context.font = `${14 * ratio}px sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillStyle = "white";
    const middle = this.extent.map((mm) => mm / 2);
    const letters = [["R", 0, -1], ["L", 0, 1], ["A", 1, -1], ["P", 1, 1], ["I", 2, -1], ["S", 2, 1]];
    for (const [letter, axis, sign] of letters) {
      const point = [...middle];
      point[axis] += sign * (this.extent[axis] / 2);
      context.fillText(letter, ...project(point));
    }
  }
}
