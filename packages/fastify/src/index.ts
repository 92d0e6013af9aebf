export { type HoldfastPluginOptions, holdfastPlugin } from './holdfast-plugin.js';
