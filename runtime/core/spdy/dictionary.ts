/** The dictionary of SPDY/3's header compression (SPDY/3 §2.6.10.1), built from its two parts; it is fixed for ever. */

/** Each stands in the dictionary behind its length in four bytes. */
const words: readonly string[] = (
  "options,head,post,put,delete,trace,accept,accept-charset,accept-encoding,accept-language,accept-rang" +
  "es,age,allow,authorization,cache-control,connection,content-base,content-encoding,content-language,c" +
  "ontent-length,content-location,content-md5,content-range,content-type,date,etag,expect,expires,from," +
  "host,if-match,if-modified-since,if-none-match,if-range,if-unmodified-since,last-modified,location,ma" +
  "x-forwards,pragma,proxy-authenticate,proxy-authorization,range,referer,retry-after,server,te,trailer" +
  ",transfer-encoding,upgrade,user-agent,vary,via,warning,www-authenticate,method,get,status,200 OK,ver" +
  "sion,HTTP/1.1,url,public,set-cookie,keep-alive,origin"
).split(",");

/** The rest, as it is. */
const rest =
  "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Au" +
  "thoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidd" +
  "en404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr Ma" +
  "y Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,imag" +
  "e/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,publicpri" +
  "vatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

/** Its bytes. */
export const headerDictionary: Uint8Array = buildDictionary();

/** Adler-32 of it, by which a stream names it. */
export const headerDictionaryId = 0xe3c6a7c2;

function buildDictionary(): Uint8Array {
  const bytes: number[] = [];
  for (const word of words) bytes.push(0, 0, 0, word.length, ...codes(word));
  bytes.push(...codes(rest));
  return Uint8Array.from(bytes);
}

function codes(text: string): number[] {
  return Array.from(text, (character) => character.charCodeAt(0));
}
