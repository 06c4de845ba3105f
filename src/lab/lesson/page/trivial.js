// Heatmaps that know nothing of the picture: what every other one has to be better than.

/** `[{name, levels, about}]`: all ones, a Gaussian about the centre, an ellipse. */
export function trivialMaps(width, height) {
  const make = (value) => {
    const out = new Uint8Array(width * height);
    for (let y = 0; y < height; y += 1) {
      const v = (y + 0.5) / height - 0.5;
      for (let x = 0; x < width; x += 1) {
        const u = (x + 0.5) / width - 0.5;
        out[y * width + x] = value(u * u + v * v);
      }
    }
    return out;
  };
  return [
    { name: 'ones', levels: make(() => 255), about: '255 everywhere' },
    { name: 'Gaussian', levels: make((r2) => Math.round(255 * Math.exp(-r2 / (2 * 0.25 * 0.25)))), about: 'a bright centre, sigma a quarter of each side' },
    { name: 'ellipse', levels: make((r2) => (Math.sqrt(r2) <= 1 / 2.8 ? 255 : 0)), about: 'a filled ellipse, its axes 1/1.4 of the sides' },
  ];
}
