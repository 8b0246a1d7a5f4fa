#include "layout.hpp"

namespace layout {

// One assertion for every number, so that the one that is wrong is named.
#define CHECK_SIZE(TYPE, BYTES) \
  static_assert(sizeof(TYPE) == BYTES, "sizeof(" #TYPE ") is not " #BYTES);

#define CHECK_OFFSET(TYPE, MEMBER, BYTES)     \
  static_assert(                              \
      offsetof(TYPE, MEMBER) == BYTES,        \
      #TYPE "::" #MEMBER " is not at " #BYTES);

#define CHECK_VALUE(ENUMERATOR, NUMBER)             \
  static_assert(                                    \
      static_cast<int>(ENUMERATOR) == NUMBER,       \
      #ENUMERATOR " is not " #NUMBER);

DCOS_BITS_LAYOUT(CHECK_SIZE, CHECK_OFFSET, CHECK_VALUE)

// The nodes of the headers' map must carry their hash, as libmesos's do.
static_assert(
    std::__cache_default<std::string, process::http::CaseInsensitiveHash>::value,
    "the hash of a header's name is not kept in its node");

} // namespace layout {
