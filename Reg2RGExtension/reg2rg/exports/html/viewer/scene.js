// The scene: slices, masks and surfaces, unpacked from the JSON in the page.

async function unpacked(base64, Type) {
  const stream = new Blob([fromBase64(base64)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Type(await new Response(stream).arrayBuffer());
}

function fromBase64(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

// Return the gray values of all slices, x fastest; null if the page has none.
async function decodeSlices(slices, [width, height]) {
  if (!slices.length) return null;
  const volume = new Uint8Array(width * height * slices.length);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  for (const [z, base64] of slices.entries()) {
    const picture = await createImageBitmap(new Blob([fromBase64(base64)], { type: "image/jpeg" }));
    context.drawImage(picture, 0, 0);
    picture.close();
    const { data } = context.getImageData(0, 0, width, height);
    for (let i = 0, at = z * width * height; i < width * height; i++) volume[at + i] = data[4 * i];
  }
  return volume;
}

// Return the brightness on the screen for each stored gray value.
function windowTable(curve, [low, high]) {
  const table = new Uint8ClampedArray(256);
  for (let gray = 0; gray < 256; gray++) {
    const next = Math.max(1, curve.findIndex(([, value]) => value >= gray));
    const [[hu0, gray0], [hu1, gray1]] = [curve[next - 1], curve[next]];
    const hu = hu0 + ((gray - gray0) / (gray1 - gray0)) * (hu1 - hu0);
    table[gray] = (255 * (hu - low)) / (high - low);
  }
  return table;
}

async function loadSurface(packed) {
  if (!packed) return null;
  return {
    corner: packed.corner,
    size: packed.size,
    vertices: await unpacked(packed.vertices, Uint16Array),
    normals: await unpacked(packed.normals, Int8Array),
    triangles: await unpacked(packed.triangles, Uint32Array),
  };
}

async function loadScene(text) {
  const scene = JSON.parse(text);
  scene.volume = await decodeSlices(scene.slices, scene.size);
  scene.bits = await unpacked(scene.bits, Uint16Array);
  for (const region of scene.regions) region.surface = await loadSurface(region.surface);
  for (const finding of scene.findings) {
    finding.bits = await unpacked(finding.bits, Uint8Array);
    finding.surface = await loadSurface(finding.surface);
    const { color } = scene.regions.find(({ name }) => name === finding.region) ?? { color: [255, 255, 255] };
    finding.color = color.map((channel) => Math.round(channel + 0.45 * (255 - channel)));
  }
  return scene;
}

// Return functions that say whether voxel (x, y, z) belongs to a region or a finding.
function insideRegion(scene, region) {
  const [width, height] = scene.size;
  const flag = 1 << region.bit;
  return (x, y, z) => (scene.bits[(z * height + y) * width + x] & flag) !== 0;
}

function insideFinding({ bits, start, size }) {
  return (x, y, z) => {
    const [i, j, k] = [x - start[0], y - start[1], z - start[2]];
    if (i < 0 || j < 0 || k < 0 || i >= size[0] || j >= size[1] || k >= size[2]) return false;
    const at = (k * size[1] + j) * size[0] + i;
    return ((bits[at >> 3] >> (7 - (at & 7))) & 1) !== 0;
  };
}
