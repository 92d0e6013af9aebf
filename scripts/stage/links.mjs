// Links of a page that npm shows: what they lead to is not there, so relative ones are made absolute.
import { posix } from 'node:path';

const LINK = /(!?\[[^\]]*\]\()([^)\s]+)(\))|(<(?:img|source)\b[^>]*?\b(?:src|srcset)=")([^"]+)(")/g;

/**
 * @param where `folder` is where the page stands in the repository, `stays` says of a path whether it may stay relative; null for
 *   `repository` leaves the page as it is
 * @returns the page with absolute links; anchors within the page, and what is absolute already, stay
 */
export function absoluteLinks(page, { repository, branch, folder, stays = () => false }) {
  if (repository === null) return page;
  return page.replace(LINK, (whole, before, link, after, tagBefore, source, tagAfter) => {
    const target = link ?? source;
    if (/^(?:[a-z][a-z+.-]*:|#|\/\/)/i.test(target)) return whole;
    const isPicture = source !== undefined || before.startsWith('!');
    const [path, anchor] = target.split('#');
    if (stays(path)) return whole;
    const url = `${repository}/${isPicture ? 'raw' : 'blob'}/${branch}/${posix.normalize(posix.join(folder, path))}`;
    return `${before ?? tagBefore}${url}${anchor === undefined ? '' : `#${anchor}`}${after ?? tagAfter}`;
  });
}
