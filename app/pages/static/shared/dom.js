// Elements, and the parts of a page by the names they have in its HTML.
export const element = (tag, className, ...content) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...content);
  return node;
};

export const partsOf = (page) => ({
  part: (name) => page.querySelector(`[data-part="${name}"]`),
  action: (name) => page.querySelector(`[data-do="${name}"]`),
});
