// Opens a browser for the checks of the lesson's page.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import puppeteer from 'puppeteer-core';

/** A step of SwiftShader takes its time. */
export const LIMIT_MS = 240_000;

const CHROMIUM = ['--headless=new', '--no-sandbox', '--disable-gpu-sandbox', '--disable-gpu-watchdog', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync', '--force-color-profile=srgb',
  '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];
const WEBGPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

/**
 * `name`: chromium, recorded (Chromium without WebGPU) or firefox. FIREFOX or CHROMIUM is the path of the browser,
 * FIREFOX_LIBRARIES are folders of libraries that it needs. Gives `{browser, close}`.
 */
export async function launch(name) {
  const profile = await mkdtemp(join(tmpdir(), 'parula-browser-'));
  const options = name === 'firefox'
    ? {
      browser: 'firefox', executablePath: process.env.FIREFOX, headless: true, userDataDir: profile,
      extraPrefsFirefox: {
        'dom.webgpu.enabled': true, 'gfx.webgpu.ignore-blocklist': true, 'gfx.webgpu.force-enabled': true,
        'datareporting.policy.dataSubmissionEnabled': false, 'app.update.enabled': false, 'network.captive-portal-service.enabled': false,
      },
      env: {
        ...process.env, MOZ_DISABLE_CONTENT_SANDBOX: '1', HOME: profile,
        ...(process.env.FIREFOX_LIBRARIES ? { LD_LIBRARY_PATH: process.env.FIREFOX_LIBRARIES } : {}),
      },
    }
    : {
      browser: 'chrome', executablePath: process.env.CHROMIUM ?? 'chromium', headless: false, userDataDir: profile, pipe: true,
      args: [...CHROMIUM, ...(name === 'recorded' ? ['--disable-features=WebGPU'] : WEBGPU)],
    };
  const browser = await puppeteer.launch({ ...options, protocolTimeout: LIMIT_MS, timeout: 90_000 });
  const close = async () => {
    await browser.close().catch(() => {});
    await rm(profile, { recursive: true, force: true, maxRetries: 5 }).catch(() => {});
  };
  return { browser, close };
}
