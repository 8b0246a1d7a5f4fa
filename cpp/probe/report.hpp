#ifndef __DCOS_BITS_PROBE_REPORT_HPP__
#define __DCOS_BITS_PROBE_REPORT_HPP__

#include <optional>
#include <string>
#include <vector>

namespace probe {

// What one module record says of itself.
struct Module
{
  std::string symbol;
  std::string apiVersion;
  std::string mesosVersion;
  std::string kind;
  std::string authorName;
  std::string authorEmail;
  std::string description;

  // What the record's own check answers; nothing if it has none.
  std::optional<bool> compatible;
};


// What a probe found out about one library.
struct Report
{
  std::string library;

  // Why it is not loadable; empty if it is.
  std::string error;

  std::vector<Module> modules;

  // The symbols that were asked for and are not there.
  std::vector<std::string> missing;
};


// The report as one JSON document, with a newline behind it.
std::string json(const Report& report);

} // namespace probe {

#endif // __DCOS_BITS_PROBE_REPORT_HPP__
