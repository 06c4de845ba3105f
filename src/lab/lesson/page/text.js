// Sentences that depend on the network, the method or the browser.

/** What a layer does, in a sentence or two. */
export function describe(layer) {
  const { details = {}, inputs = [] } = layer;
  const by = (pair) => (pair[0] === pair[1] ? `${pair[0]} × ${pair[1]}` : pair.join(' × '));
  const step = details.stride && (details.stride[0] > 1 || details.stride[1] > 1) ? ` It moves ${details.stride[0]} pixels at a time, so its maps are that much smaller.` : '';
  switch (details.kind) {
    case 'conv2d':
      if (details.kernel.every((side) => side === 1)) return `Mixes channels: each number is a weighted sum of all channels at one position.${step}`;
      return `Slides filters of ${by(details.kernel)} pixels over all channels: each number is a weighted sum of a small neighbourhood.${step}`;
    case 'depthwise_conv2d': return `Slides one filter of ${by(details.kernel)} pixels over each channel by itself.${step}`;
    case 'dense': return 'Each number is a weighted sum of all its inputs, and a constant.';
    case 'batch_norm': return 'Multiplies each channel by one number and adds another, so that channels have like sizes.';
    case 'max_pool': return `Keeps the largest number of each ${by(details.kernel)} window.${step}`;
    case 'average_pool': return `Takes the mean of each ${by(details.kernel)} window.${step}`;
    case 'global_average_pool': return 'Takes the mean of each feature map: one number a channel, and the place is forgotten.';
    case 'elementwise': return (details.chain ?? []).map((name) => ({
      relu: 'Sets negative numbers to 0.', relu6: 'Cuts numbers off below 0 and above 6.', add: 'Adds two tensors, number by number: a shortcut past some layers.',
      multiply: 'Multiplies two tensors, number by number.',
      subtract: 'Subtracts one tensor from another, number by number.', maximum: 'Takes the larger of two numbers.', minimum: 'Takes the smaller of two numbers.',
    })[name] ?? (typeof name === 'string' ? `Applies ${name} to each number.` : 'Scales or shifts each number.')).join(' ');
    default: return inputs.length === 0 ? 'The picture, resized and scaled.' : `${layer.operation}.`;
  }
}

/** The family of a layer: it decides its colour in the graph. */
export function family(layer) {
  const kind = layer.details?.kind ?? '';
  if (layer.inputs.length === 0) return 'picture';
  if (kind.includes('conv') || kind === 'dense') return 'weights';
  if (kind.includes('pool')) return 'pool';
  if (kind === 'batch_norm') return 'norm';
  return 'point';
}

export const FAMILIES = { picture: 'the picture', weights: 'convolution or dense: has learned weights', norm: 'normalisation', point: 'number by number: ReLU, sum', pool: 'pooling' };

/** A short name for the graph. */
export function short(layer) {
  const { kind, kernel, chain } = layer.details ?? {};
  if (layer.inputs.length === 0) return 'input';
  return { conv2d: `conv ${kernel?.join('×')}`, depthwise_conv2d: `depthwise ${kernel?.join('×')}`, dense: 'dense', batch_norm: 'norm', max_pool: 'max pool', average_pool: 'mean pool', global_average_pool: 'mean', elementwise: chain?.map((one) => (typeof one === 'string' ? one : Object.keys(one)[0])).join(', ') }[kind] ?? layer.operation;
}

export const shapeText = (shape) => shape.join(' × ');

/** What a method does, in the equation's place. */
export const METHODS = {
  gradcam: 'The weight of a channel is the mean of its gradient.',
  cam: 'The weight of a channel is its weight in the dense layer. It needs a head of mean and dense layer, and there it is Grad-CAM times Z.',
  hirescam: 'Each position keeps its own gradient as its weight; nothing is averaged.',
  'gradcam++': 'A weighted mean of the positive gradients, which counts small objects as much as large ones.',
  xgradcam: 'The gradient is averaged with the activation as its weight.',
  layercam: 'Each position has its own weight: its gradient, where it is positive.',
  eigencam: 'The strongest pattern in the feature maps (their first principal component). It asks for no class and has no gradient.',
  activation: 'The mean of all feature maps. It asks for no class and has no gradient.',
  saliency: 'The gradient of the score at each pixel of the input, its largest magnitude over channels.',
  'gradient-x-input': 'The gradient of the score at each pixel of the input, times the pixel.',
  'guided-backprop': 'The gradient at the input, where negative parts are dropped at every ReLU on the way back. It draws edges, whatever the network has learned.',
};

/** What a reader can do where there is no WebGPU. */
export const TURN_ON = [
  'Chrome and Edge from version 113 on have WebGPU on Windows, macOS and ChromeOS, and from 121 on Android. On Linux, start with --enable-unsafe-webgpu --enable-features=Vulkan, or set chrome://flags/#enable-unsafe-webgpu to Enabled.',
  'Safari has it from version 26 on, and iPhones and iPads from iOS 26 on.',
  'Firefox has it from version 141 on on Windows and 145 on on Macs with Apple chips; elsewhere set dom.webgpu.enabled to true in about:config.',
  'Where the browser has it and this page does not find it: look at chrome://gpu or about:support whether graphics acceleration is on.',
];
