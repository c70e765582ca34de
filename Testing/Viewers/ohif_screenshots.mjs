// Opens a study in OHIF, and takes a picture of the CT with each segmentation, and of each structured report.
//
// Usage: node ohif_screenshots.mjs URL STUDY FOLDER CHROMIUM
import puppeteer from 'puppeteer-core';

const [url, study, folder, chromium] = process.argv.slice(2);
const browser = await puppeteer.launch({
  executablePath: chromium,
  args: ['--no-sandbox', '--enable-unsafe-swiftshader', '--use-gl=angle', '--use-angle=swiftshader', '--ignore-gpu-blocklist'],
  protocolTimeout: 600000,
});
const page = await browser.newPage();
await page.setViewport({ width: 1440, height: 900 });
page.on('console', message => message.type() === 'error' && console.error('console:', message.text().slice(0, 300)));
page.on('pageerror', error => console.error('error:', String(error).slice(0, 300)));

const pause = seconds => new Promise(resolve => setTimeout(resolve, seconds * 1000));
const shoot = async name => {
  await page.screenshot({ path: `${folder}/ohif-${name}.png` });
  console.log(name);
};

await page.goto(`${url}/viewer?StudyInstanceUIDs=${study}`, { waitUntil: 'domcontentloaded' });
await page.waitForSelector('[data-cy="study-browser-thumbnail"], [data-cy="study-browser-thumbnail-no-image"]', { timeout: 300000 });
await pause(20);
const entries = await page.$$eval('[data-cy^="study-browser-thumbnail"]', all => all.map(each => each.innerText.replaceAll('\n', ' | ')));
console.log(JSON.stringify(entries, null, 1));

const press = async words => {
  for (const each of await page.$$('button, a, span, [role="button"]')) {
    if ((await each.evaluate(element => element.innerText?.trim())) === words) {
      await each.evaluate(element => element.click());
      return;
    }
  }
};

const open = async words => {
  const found = await page.$$('[data-cy^="study-browser-thumbnail"]');
  for (const each of found) {
    const text = await each.evaluate(element => element.innerText);
    if (text.split('\n').some(line => line.startsWith(words))) {
      await each.evaluate(element => element.scrollIntoView());
      await each.click({ count: 2 });
      return true;
    }
  }
  console.error(`not in the list of series: ${words}`);
  return false;
};

await press('Skip all'); // a tour of the viewer
await pause(2);
for (const [name, words, seconds, scroll] of [
  ['ct', 'CT', 20, 0],
  ['regions', 'Regions', 20, 34],
  ['findings', 'Findings', 20, 14],
  ['report', 'Chest CT report,', 10, 0],
  ['measurements', 'Measurements', 10, 0],
]) {
  if (await open(words)) {
    await pause(seconds);
    await press('Yes'); // whether to load a segmentation or measurements
    await pause(seconds / 2);
    for (let step = 0; step < scroll; step++) {
      await page.keyboard.press('ArrowDown');
      await pause(0.3);
    }
    await pause(3);
    await shoot(name);
  }
}
await browser.close();
