//===- Report.h - What a report shows, as data ------------------*- C++ -*-===//

#ifndef KVARN_AUTOTUNE_MEASURE_REPORT_H
#define KVARN_AUTOTUNE_MEASURE_REPORT_H

#include "autotune/measure/Choose.h"

namespace kvarn::tune {

/// Everything that report.html draws: the best of each shape, the points of
/// the roofline and of the cost model, failures by cause.
json reportData(const Pack &pack, const std::vector<Record> &records,
                const DeviceName &device);

/// Of `data` the pairs of prediction and measurement, as text with a line for
/// each of them.
std::string predictionText(const json &data);

/// `page` with the text of `data` and of the plotting library `script` in place
/// of @DATA@ and @SCRIPT@: one HTML file that needs nothing else.
std::string makePage(std::string_view page, std::string_view script,
                     const json &data);

} // namespace kvarn::tune

#endif // KVARN_AUTOTUNE_MEASURE_REPORT_H
