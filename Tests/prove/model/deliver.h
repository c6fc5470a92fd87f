/* Shared by the two files of the model. */
#ifndef DELIVER_H
#define DELIVER_H

#include "model.h"

bool model_active(int b, int s);              /* added, and neither closed nor inherited */
bool model_can_record(int b);                 /* its pipe is still there, or not in use */
bool model_is_taken(int b, int s);            /* by a bridge that cannot share it */
void model_keep(int b, struct record record); /* readable from now on */
void model_take_pending(int b, int s);
void model_install(int s, bool already); /* already: another bridge has the signal */
void model_restore(int s);               /* the last removal */
bool model_ignored_underneath(int s);

#endif
