#include "report.hpp"

#include <cstddef>
#include <cstdio>

using std::string;

namespace probe {

// The length of the UTF-8 sequence at `position`, or 0 if it is not one.
static size_t sequence(const string& text, size_t position)
{
  const unsigned char lead = text[position];

  size_t length = 0;
  unsigned long least = 0;
  unsigned long code = 0;

  if (lead < 0x80) {
    return 1;
  } else if ((lead & 0xe0) == 0xc0) {
    length = 2, least = 0x80, code = lead & 0x1f;
  } else if ((lead & 0xf0) == 0xe0) {
    length = 3, least = 0x800, code = lead & 0x0f;
  } else if ((lead & 0xf8) == 0xf0) {
    length = 4, least = 0x10000, code = lead & 0x07;
  } else {
    return 0;
  }

  if (position + length > text.size()) {
    return 0;
  }

  for (size_t i = 1; i < length; i++) {
    const unsigned char next = text[position + i];

    if ((next & 0xc0) != 0x80) {
      return 0;
    }

    code = (code << 6) | (next & 0x3f);
  }

  const bool surrogate = code >= 0xd800 && code <= 0xdfff;

  return code < least || code > 0x10ffff || surrogate ? 0 : length;
}


// A JSON string. The text is the library's, so anything may be in it: what is
// not UTF-8 becomes the replacement character.
static string quote(const string& text)
{
  string result = "\"";

  for (size_t i = 0; i < text.size();) {
    const unsigned char c = text[i];
    const size_t length = sequence(text, i);

    if (length == 0) {
      result += "\\ufffd";
      i++;
    } else if (c == '"' || c == '\\') {
      result += '\\';
      result += text[i++];
    } else if (c < 0x20 || c == 0x7f) {
      char escaped[8];
      ::snprintf(escaped, sizeof(escaped), "\\u%04x", c);
      result += escaped;
      i++;
    } else {
      result.append(text, i, length);
      i += length;
    }
  }

  return result + '"';
}


static string json(const Module& module)
{
  const string compatible =
    !module.compatible.has_value() ? "null"
    : *module.compatible ? "true" : "false";

  return
    "{\"symbol\":" + quote(module.symbol) +
    ",\"api_version\":" + quote(module.apiVersion) +
    ",\"mesos_version\":" + quote(module.mesosVersion) +
    ",\"kind\":" + quote(module.kind) +
    ",\"author_name\":" + quote(module.authorName) +
    ",\"author_email\":" + quote(module.authorEmail) +
    ",\"description\":" + quote(module.description) +
    ",\"compatible\":" + compatible + "}";
}


string json(const Report& report)
{
  string modules;
  for (const Module& module : report.modules) {
    modules += (modules.empty() ? "" : ",") + json(module);
  }

  string missing;
  for (const string& symbol : report.missing) {
    missing += (missing.empty() ? "" : ",") + quote(symbol);
  }

  const bool loadable = report.error.empty();

  return
    "{\"library\":" + quote(report.library) +
    ",\"loadable\":" + (loadable ? "true" : "false") +
    ",\"error\":" + (loadable ? "null" : quote(report.error)) +
    ",\"modules\":[" + modules + "]" +
    ",\"missing\":[" + missing + "]}\n";
}

} // namespace probe {
